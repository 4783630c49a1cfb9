"""What a mail says and carries: content, attachments, and previews of both."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Data, View
from libs.schemas.delivery.base import DeliveryCommand, DeliveryQuery

Kind = Literal["TRANSACTIONAL", "MARKETING", "HEADLESS"]
UtmValue = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
PIECE_BYTES = 512 * 1024
"""Of a file, in one message. In JSON it is a third larger, and the bus takes 1 MiB."""
MAX_ATTACHMENTS = 10
MAX_ATTACHED_BYTES = 10 * 1024 * 1024
"""Of all files of one mail together."""


class Utm(View, frozen=True, kw_only=True):
    """What analytics are told of where a visitor comes from: `utm_source` and so on of each link to a page."""

    source: UtmValue
    medium: UtmValue = "email"
    campaign: UtmValue | None = None
    term: UtmValue | None = None
    content: UtmValue | None = None


class Content(View, frozen=True, kw_only=True):
    """What a mail says and who it is from; `subject` and `body` are Liquid templates. `language` is that of readers who
    have none of their own, `utm` goes onto the links."""

    subject: str
    body: str
    from_email: str
    from_name: str | None = None
    reply_to: str | None = None
    kind: Kind = "MARKETING"
    language: str | None = None
    utm: Utm | None = None


class Attachment(View, frozen=True, kw_only=True):
    """A file that goes with a mail. Its bytes are kept beside the log, by `digest` (SHA-256 in hex), until the mail's
    outcome is final. `inline` ones are shown where the HTML says `cid:` and their `content_id`."""

    filename: str
    content_type: str
    digest: str
    size: int
    content_id: str | None = None
    inline: bool = False


class Mailbox(View, frozen=True, kw_only=True, omit_defaults=True):
    """An address as a header shows it."""

    address: str
    name: str = ""


class MailOptions(View, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for with one mail, beyond its content.

    `name` is the recipient's, for the To header; `shown_to` and `shown_cc` are whom the headers To and Cc name instead,
    of a message that was handed in with such lines; `headers` are the caller's own. Without `tracking` opens and clicks
    are not followed. A `one_time_code` that gets no answer is sent again soon: late, it is of no use to anybody.
    """

    name: str | None = None
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    tracking: bool = True
    one_time_code: bool = False
    shown_to: list[Mailbox] = []
    shown_cc: list[Mailbox] = []


class StoreFilePiece(DeliveryCommand, tag="store-file-piece", frozen=True, kw_only=True):
    """Keep a piece of a file until the mails that it goes with are sent. Every piece but the last is `PIECE_BYTES`
    long; they count from 0. `digest` is the SHA-256 of the whole file, in hex. Answers `KeptPiece`."""

    digest: str
    number: int
    data: bytes


class PreviewMail(DeliveryQuery, tag="preview-mail", frozen=True, kw_only=True):
    """Write a mail as it would be sent, without sending it. `contact_data` is the person's, `data` the mail's own.
    Answers `MailPreview`."""

    content: Content
    recipient: str
    contact_id: UUID | None = None
    contact_data: Data = {}
    data: Data = {}


class Hint(View, frozen=True, kw_only=True):
    """What an author should know of a mail that is not wrong."""

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
"""Variables of a template: contact data, then the mail's own data, then `email`, `id` and the three link URLs."""
