"""Messages of the delivery service about what a mail contains: content, attachments and previews."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Data, View
from libs.schemas.delivery.base import DeliveryCommand, DeliveryQuery

Kind = Literal["TRANSACTIONAL", "MARKETING", "HEADLESS"]
UtmValue = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
PIECE_BYTES = 512 * 1024
"""The size of a piece of a file in one message. JSON makes it a third larger, and the bus accepts 1 MiB."""
MAX_ATTACHMENTS = 10
MAX_ATTACHED_BYTES = 10 * 1024 * 1024
"""The limit for all files of one mail together."""


class Utm(View, frozen=True, kw_only=True):
    """Parameters for web analytics (`utm_source` and so on) that are added to each link to a page."""

    source: UtmValue
    medium: UtmValue = "email"
    campaign: UtmValue | None = None
    term: UtmValue | None = None
    content: UtmValue | None = None


class Content(View, frozen=True, kw_only=True):
    """What a mail says and who it is from.

    `subject` and `body` are Liquid templates. `language` is for recipients without a language of their own; `utm` is
    added to the links.
    """

    subject: str
    body: str
    from_email: str
    from_name: str | None = None
    reply_to: str | None = None
    kind: Kind = "MARKETING"
    language: str | None = None
    utm: Utm | None = None


class Attachment(View, frozen=True, kw_only=True):
    """A file attached to a mail.

    Its bytes are stored outside the log, under `digest` (SHA-256 in hex), until the outcome of the mail is final. An
    `inline` file is shown where the HTML refers to `cid:` and its `content_id`.
    """

    filename: str
    content_type: str
    digest: str
    size: int
    content_id: str | None = None
    inline: bool = False


class Mailbox(View, frozen=True, kw_only=True, omit_defaults=True):
    """An address in a header, with a name if it has one."""

    address: str
    name: str = ""


class MailOptions(View, frozen=True, kw_only=True, omit_defaults=True):
    """Options of one mail, besides its content.

    `name` is the recipient's, for the To header. `shown_to` and `shown_cc` replace the To and Cc headers if the message
    was submitted with such headers. `headers` are the caller's own. Without `tracking` opens and clicks are not
    recorded. If SES does not answer, a mail with a `one_time_code` is sent again soon, since a late code is useless.
    Without `trusted_data` anybody may have written the mail's data, which is then shown as plain text.
    """

    name: str | None = None
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    tracking: bool = True
    one_time_code: bool = False
    trusted_data: bool = True
    shown_to: list[Mailbox] = []
    shown_cc: list[Mailbox] = []


class StoreFilePiece(DeliveryCommand, tag="store-file-piece", frozen=True, kw_only=True):
    """Store a piece of a file until the mails that it is attached to are sent. Replies with `KeptPiece`.

    Pieces are numbered from 0, and every piece but the last has `PIECE_BYTES` bytes. `digest` is the SHA-256 of the
    whole file in hex.
    """

    digest: str
    number: int
    data: bytes


class PreviewMail(DeliveryQuery, tag="preview-mail", frozen=True, kw_only=True):
    """Render a mail as it would be sent, without sending it. Replies with `MailPreview`.

    `contact_data` is the data of the contact, `data` that of the mail.
    """

    content: Content
    recipient: str
    contact_id: UUID | None = None
    contact_data: Data = {}
    data: Data = {}


class Hint(View, frozen=True, kw_only=True):
    """Something that the author should check, although it is no error."""

    code: str
    message: str
    variable: str | None = None


class MailPreview(View, frozen=True, kw_only=True):
    subject: str
    html: str
    text: str
    warnings: list[Hint]


class KeptPiece(View, frozen=True, kw_only=True):
    digest: str
    number: int


RenderData = dict[str, Any]
"""Variables of a template: the contact's data, then the mail's own, then `email`, `id` and the three link URLs."""
