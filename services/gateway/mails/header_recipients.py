"""Whom a message names in To and Cc, when it comes by SMTP: its writer's lines are kept, whoever gets the mail.

Over HTTP nobody can say that; there every recipient's mail is addressed to that recipient. So it does not travel in the
body but beside it, in the ASGI scope, where only this process can put it.
"""

from typing import Any

import msgspec
from litestar.types import Scope

from libs.schemas.delivery.content import Mailbox

EXTENSION = "godwit.addressed"


class HeaderRecipients(msgspec.Struct, frozen=True):
    """Nothing is what a message without such lines says."""

    to: list[Mailbox] = []
    cc: list[Mailbox] = []


NO_HEADER_RECIPIENTS = HeaderRecipients()


def addressed(scope: Scope) -> HeaderRecipients:
    """What was put into the scope of the request."""
    extensions: Any = scope.get("extensions") or {}
    found: HeaderRecipients = extensions.get(EXTENSION, NO_HEADER_RECIPIENTS)
    return found
