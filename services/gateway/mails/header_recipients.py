"""Whom a message names in To and Cc, when it comes by SMTP: its writer's lines are kept, whoever gets the mail.

Over HTTP nobody can say that; there every recipient's mail is addressed to that recipient. So it does not travel in the
body but beside it, in the ASGI scope, where only this process can put it.
"""

from typing import Any

import msgspec
from litestar.types import Scope

from libs.schemas.delivery.content import Mailbox

EXTENSION = "godwit.addressed"


class Addressed(msgspec.Struct, frozen=True):
    """Nothing is what a message without such lines says."""

    to: list[Mailbox] = []
    cc: list[Mailbox] = []


NOBODY = Addressed()


def addressed(scope: Scope) -> Addressed:
    """What was put into the scope of the request."""
    extensions: Any = scope.get("extensions") or {}
    found: Addressed = extensions.get(EXTENSION, NOBODY)
    return found
