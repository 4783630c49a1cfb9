"""The variables that a template can use, among them the signed links of the mail. Pure."""

from typing import Any
from uuid import UUID

import msgspec

from libs.kernel import links
from libs.kernel.data_paths import with_dotted_keys
from libs.kernel.locales import DEFAULT_LOCALE
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.untrusted import plain, with_plain


class Urls(msgspec.Struct, frozen=True):
    unsubscribe: str
    subscribe: str
    manage: str


class Links(msgspec.Struct, frozen=True):
    """Makes the signed links of a mail. `public_url` is where recipients reach the gateway."""

    public_url: str
    keys: links.KeyRing

    def of(self, project: UUID, contact_id: UUID, email_id: UUID) -> Urls:
        token = links.sign(self.keys, links.LinkTarget(project, contact_id, email_id))
        base = self.public_url.rstrip("/")
        return Urls(f"{base}/unsubscribe/{token}", f"{base}/subscribe/{token}", f"{base}/manage/{token}")


def variables(mail: Mail, urls: Urls) -> dict[str, Any]:
    """Return everything that a template can name.

    That is all data at the top level and under `data`, the mail's own data under `event`, and names of our own, which
    data cannot replace. Values that anybody may have written are plain text.
    """
    own = _decode(mail.data) if mail.extras.trusted_data else plain(_decode(mail.data))
    contact_data = with_plain(_decode(mail.contact_data), _decode_keys(mail.untrusted))
    data = with_dotted_keys(contact_data | own)
    return {
        **data,
        "data": data,
        "event": with_dotted_keys(own),
        "id": str(mail.contact_id),
        "email": mail.recipient,
        "subscribed": mail.subscribed,
        "locale": _text(data.get("locale")) or mail.content.language or mail.language or DEFAULT_LOCALE,
        "unsubscribeUrl": urls.unsubscribe,
        "subscribeUrl": urls.subscribe,
        "manageUrl": urls.manage,
    }


_decode: Any = msgspec.json.Decoder(dict[str, Any]).decode


_decode_keys = msgspec.json.Decoder(list[str]).decode


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
