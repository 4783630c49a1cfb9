"""The To and Cc lines of a mail that arrives by SMTP. They are kept as they are, whoever gets the mail. Pure.

Over HTTP there is no such thing: each recipient's mail is addressed to that recipient. So the lines do not travel in
the body but beside it, in the ASGI scope, where only this process can put them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from libs.schemas.delivery.content import Mailbox

EXTENSION = "godwit.header_recipients"


class HeaderRecipients(msgspec.Struct, frozen=True):
    """The mailboxes in To and Cc, none for a mail without these lines."""

    to: list[Mailbox] = []
    cc: list[Mailbox] = []


NO_HEADER_RECIPIENTS = HeaderRecipients()


def header_recipients_of(scope: Mapping[str, Any]) -> HeaderRecipients:
    """Return the header recipients in the scope of a request."""
    extensions: Any = scope.get("extensions") or {}
    found: HeaderRecipients = extensions.get(EXTENSION, NO_HEADER_RECIPIENTS)
    return found
