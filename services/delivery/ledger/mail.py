"""A claimed intent with all that is needed to write the mail, and the links that go into it."""

from typing import Any
from uuid import UUID

import msgspec

from libs.kernel import links
from libs.kernel.locales import DEFAULT_LOCALE
from libs.schemas.delivery.content import Content, MailOptions
from libs.schemas.delivery.emails import SuppressionReason
from services.delivery.ledger.email import Email

PLAIN = MailOptions()
"""Of a mail that has nothing beyond its content, as all of a campaign's have."""


class Mail(Email, frozen=True, kw_only=True):
    """`data` belongs to this mail, `contact_data` to the person; both are JSON texts, decoded when they are rendered.

    `meta` is the JSON of the envelope's meta that the intent came with. `begun` is this process's monotonic clock just
    before the claim.
    """

    recipient: str
    content: Content
    data: str
    contact_data: str
    subscribed: bool
    listed: SuppressionReason | None
    meta: str
    begun: float = 0.0
    extras: MailOptions = PLAIN
    language: str | None = None
    """What the project's contacts are spoken to in unless their data says otherwise."""
    timezone: str | None = None
    """Where the project's contacts are unless their data says otherwise."""
    tracked: bool = True
    """Whether opens and clicks are followed."""


class Urls(msgspec.Struct, frozen=True):
    unsubscribe: str
    subscribe: str
    manage: str


class Links(msgspec.Struct, frozen=True):
    """Makes the signed links of each mail: `public_url` is where mailbox users reach the gateway."""

    public_url: str
    key: str

    def of(self, project: UUID, contact_id: UUID, email_id: UUID) -> Urls:
        token = links.sign(self.key, links.LinkTarget(project, contact_id, email_id))
        base = self.public_url.rstrip("/")
        return Urls(f"{base}/unsubscribe/{token}", f"{base}/subscribe/{token}", f"{base}/manage/{token}")


def variables(mail: Mail, urls: Urls) -> dict[str, Any]:
    """What a template can name: all data at the top and under `data`, the mail's own under `event`, and what is ours,
    which data cannot replace."""
    own = _decode(mail.data)
    data = _decode(mail.contact_data) | own
    return {
        **data,
        "data": data,
        "event": own,
        "id": str(mail.contact_id),
        "email": mail.recipient,
        "subscribed": mail.subscribed,
        "locale": _text(data.get("locale")) or mail.content.language or mail.language or DEFAULT_LOCALE,
        "unsubscribeUrl": urls.unsubscribe,
        "subscribeUrl": urls.subscribe,
        "manageUrl": urls.manage,
    }


_decode: Any = msgspec.json.Decoder(dict[str, Any]).decode


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
