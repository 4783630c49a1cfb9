"""Email intents and their outcomes, and sending domains: what the delivery service accepts, says and answers."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Data, Event, Instant, Page, Query, View

Source = Literal["TRANSACTIONAL", "CAMPAIGN", "WORKFLOW"]
Kind = Literal["TRANSACTIONAL", "MARKETING", "HEADLESS"]
EmailState = Literal["queued", "claimed", "unknown", "sent", "failed", "suppressed", "cancelled"]
SuppressionReason = Literal["unsubscribed", "bounced", "complained", "erased", "listed", "rule"]
DomainVerification = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]

WaitingFor = Literal[
    "PAUSED",
    "PROJECT_PAUSED",
    "AB_WINNER",
    "DAILY_QUOTA",
    "SEND_WINDOW",
    "SEND_RATE",
    "SES_REFUSING",
    "THROTTLED",
    "NOT_ARRIVED",
    "PROJECT_LIMIT",
    "DOMAIN_LIMIT",
    "RATE_LIMIT",
]


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


class Extras(View, frozen=True, kw_only=True, omit_defaults=True):
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


# --- commands --------------------------------------------------------------------------------------------------------


class DeliveryCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


class MailOrder(DeliveryCommand, frozen=True, kw_only=True):
    """What a transactional mail is to say.

    Exactly one of `content` and `template_id` names what is sent; fields of `overrides` win over the template's.
    Content without a sender comes from the project's verified domain. `data` is for rendering this mail only; the
    contact's own data is added to it.
    """

    content: Content | None = None
    template_id: UUID | None = None
    overrides: Data = {}
    data: Data = {}
    extras: Extras = Extras()


class SendEmail(MailOrder, tag="send-email", frozen=True, kw_only=True):
    """Queue one transactional mail. Answers `QueuedEmail`."""

    email_id: UUID
    contact_id: UUID
    recipient: str
    subscribed: bool


class Recipient(View, frozen=True, kw_only=True):
    """Who gets a mail, by which id. `subscribed` is as the contact said when it was read for this mail."""

    email_id: UUID
    contact_id: UUID
    address: str
    subscribed: bool
    name: str | None = None


class SendEmails(MailOrder, tag="send-emails", frozen=True, kw_only=True):
    """Queue the same mail to each recipient, in one of its own: to all of them, or to none. Answers `QueuedEmails`."""

    recipients: list[Recipient]


class AddDomain(DeliveryCommand, tag="add-domain", frozen=True, kw_only=True):
    """Add a sending domain. `verified` is set only for a domain that the operator vouches for: it is neither registered
    with SES nor checked there, and several projects may have it. Any other belongs to one project. Answers
    `DomainView`."""

    domain_id: UUID
    domain: str
    verified: bool = False


class VerifyDomain(DeliveryCommand, tag="verify-domain", frozen=True, kw_only=True):
    """Have SES asked about the domain now rather than at the next round. Answers `DomainView`, as it was before."""

    domain_id: UUID


class RemoveDomain(DeliveryCommand, tag="remove-domain", frozen=True, kw_only=True):
    """Answers `DomainView`, as it was before."""

    domain_id: UUID


class StoreFilePiece(DeliveryCommand, tag="store-file-piece", frozen=True, kw_only=True):
    """Keep a piece of a file until the mails that it goes with are sent. Every piece but the last is `PIECE_BYTES`
    long; they count from 0. `digest` is the SHA-256 of the whole file, in hex. Answers `KeptPiece`."""

    digest: str
    number: int
    data: bytes


class CancelEmail(DeliveryCommand, tag="cancel-email", frozen=True, kw_only=True):
    """Do not send a mail that is still queued. Answers `EmailView`."""

    email_id: UUID


class ResendEmail(DeliveryCommand, tag="resend-email", frozen=True, kw_only=True):
    """Send a mail again whose outcome is unknown, without waiting for proof: it may arrive twice. Answers
    `EmailView`."""

    email_id: UUID


# --- events ----------------------------------------------------------------------------------------------------------


class EmailEvent(Event, frozen=True, kw_only=True):
    """A fact about one email intent. `campaign_id`, `workflow_id` and `execution_id` say what it belongs to."""

    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "email-{email_id}"
    email_id: UUID
    contact_id: UUID
    source: Source
    campaign_id: UUID | None = None
    workflow_id: UUID | None = None
    execution_id: UUID | None = None


class EmailQueued(EmailEvent, tag="email.queued", frozen=True, kw_only=True):
    """The intent exists: from here on it is accounted for until it is sent, failed, suppressed or cancelled."""

    personal: ClassVar[tuple[str, ...]] = ("recipient", "content", "data", "extras")
    recipient: str
    step_id: UUID | None = None
    template_id: UUID | None = None
    content: Content | None = None
    data: Data = {}
    kind: Kind = "MARKETING"
    extras: Extras | None = None


class EmailSent(EmailEvent, tag="email.sent", frozen=True, kw_only=True):
    """SES accepted the mail. `resolved` is true if we learned it from a notification rather than from SES's answer."""

    personal: ClassVar[tuple[str, ...]] = ("subject",)
    message_id: str
    attempt: int
    subject: str
    resolved: bool = False


class EmailFailed(EmailEvent, tag="email.failed", frozen=True, kw_only=True):
    """The mail will not be sent. `code` is SES's or ours, `reason` is for people."""

    code: str
    reason: str


class EmailSuppressed(EmailEvent, tag="email.suppressed", frozen=True, kw_only=True):
    """`rule` is the name that the suppression rule had, if one was the reason."""

    reason: SuppressionReason
    rule: str | None = None


class EmailCancelled(EmailEvent, tag="email.cancelled", frozen=True, kw_only=True):
    reason: str


class EmailUnresolved(EmailEvent, tag="email.unresolved", frozen=True, kw_only=True):
    """SES may or may not have the mail: the call of this attempt had no answer that settles it."""

    attempt: int
    cause: str


class EmailRequeued(EmailEvent, tag="email.requeued", frozen=True, kw_only=True):
    """The mail is sent once more: grace is over, notifications flow, and none proved it sent; or an operator asked."""

    attempt: int
    by: Literal["policy", "operator"] = "policy"


class DomainEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "domain-{domain_id}"
    domain_id: UUID
    domain: str


class DomainAdded(DomainEvent, tag="domain.added", frozen=True, kw_only=True):
    """`vouched` is true for a domain that the operator vouches for, as all were in events that do not say."""

    tokens: list[str] = []
    vouched: bool = True


class DomainIdentified(DomainEvent, tag="domain.identified", frozen=True, kw_only=True):
    """SES knows the domain: these are the tokens of its DKIM records, and the name that its bounces go to."""

    tokens: list[str]
    mail_from: str | None = None


class DomainVerified(DomainEvent, tag="domain.verified", frozen=True, kw_only=True):
    """From here on the project may send from it. `vouched` as above."""

    vouched: bool = True


class DomainLost(DomainEvent, tag="domain.lost", frozen=True, kw_only=True):
    """SES does not accept mail from the domain any more; `status` is what SES says of it."""

    status: str


class DomainRemoved(DomainEvent, tag="domain.removed", frozen=True, kw_only=True):
    """The project has the domain no longer. If it is added again that is another one, with an id of its own."""


# --- queries and answers ---------------------------------------------------------------------------------------------


class DeliveryQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


class CheckOrder(DeliveryQuery, tag="check-order", frozen=True, kw_only=True):
    """Could this mail be sent to somebody who is subscribed? Refuses as `SendEmails` would, else answers `Sendable`.

    What is said of recipients in `extras` and `data` has no part in it.
    """

    content: Content | None = None
    template_id: UUID | None = None
    overrides: Data = {}
    extras: Extras = Extras()


class GetEmail(DeliveryQuery, tag="get-email", frozen=True, kw_only=True):
    """Answers `EmailDetail`, with what delivery knows of its life."""

    email_id: UUID


class ListEmails(DeliveryQuery, tag="list-emails", frozen=True, kw_only=True):
    """Newest first. Answers `EmailPage`."""

    limit: int = 20
    cursor: str | None = None
    state: EmailState | None = None
    campaign_id: UUID | None = None
    workflow_id: UUID | None = None
    contact_id: UUID | None = None
    source: Source | None = None
    recipient: str | None = None


class ListDomains(DeliveryQuery, tag="list-domains", frozen=True, kw_only=True):
    """Answers a list of `DomainView`."""


class GetDomain(DeliveryQuery, tag="get-domain", frozen=True, kw_only=True):
    """Answers `DomainView`."""

    domain_id: UUID


class PreviewMail(DeliveryQuery, tag="preview-mail", frozen=True, kw_only=True):
    """Write a mail as it would be sent, without sending it. `contact_data` is the person's, `data` the mail's own.
    Answers `MailPreview`."""

    content: Content
    recipient: str
    contact_id: UUID | None = None
    contact_data: Data = {}
    data: Data = {}


class FindSuppressed(DeliveryQuery, tag="find-suppressed", frozen=True, kw_only=True):
    """Those of the readers (contact and address) from whom a campaign of this kind would be withheld if it was sent
    now: exactly what is decided when a mail is claimed. Answers a list of `Suppressed`."""

    readers: dict[UUID, str]
    kind: Kind


class GetSendingState(DeliveryQuery, tag="get-sending-state", frozen=True, kw_only=True):
    """What a campaign's queued mails wait for; `queued` is how many there are. Answers `SendingState`."""

    campaign_id: UUID
    queued: int = 0


class GetOutgoing(DeliveryQuery, tag="get-outgoing", frozen=True, kw_only=True):
    """Answers `Outgoing`."""


class GetLedger(DeliveryQuery, tag="get-ledger", frozen=True, kw_only=True):
    """The counts of the conservation law, for the project or for one campaign. Answers `Ledger`."""

    campaign_id: UUID | None = None


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


class Suppressed(View, frozen=True, kw_only=True):
    contact_id: UUID
    reason: SuppressionReason


class SendingState(View, frozen=True, kw_only=True):
    """`waiting_for` is why queued mails are not sent yet; null if none is queued. RATE_LIMIT is how it should be.

    SEND_RATE and SEND_WINDOW are the campaign's own: then `until` is when the next mail's turn is. PROJECT_LIMIT and
    DOMAIN_LIMIT are the project's (`SetSendingLimits`). `detail` is SES's code where SES refuses, or the recipient
    domain that is limited. `rate` is what may be sent in a second now, `eta_seconds` how long the rest takes if the
    campaign has a rate or a window; null if that cannot be told.
    """

    waiting_for: WaitingFor | None
    detail: str | None
    rate: float
    until: Instant | None = None
    eta_seconds: int | None = None


class QueuedEmail(View, frozen=True, kw_only=True):
    email: UUID
    timestamp: Instant


class KeptPiece(View, frozen=True, kw_only=True):
    digest: str
    number: int


class QueuedEmails(View, frozen=True, kw_only=True):
    """In the order of the recipients."""

    emails: list[UUID]
    timestamp: Instant


class Sendable(View, frozen=True, kw_only=True):
    kind: Kind


class EmailView(View, frozen=True, kw_only=True):
    id: UUID
    contact_id: UUID
    recipient: str
    source: Source
    state: EmailState
    campaign_id: UUID | None
    workflow_id: UUID | None
    message_id: str | None
    attempt: int
    reason: str | None
    created_at: Instant
    updated_at: Instant


class TimelineEntry(View, frozen=True, kw_only=True):
    """One thing that happened to a mail: `type` for programs, `message` for people."""

    at: Instant
    type_: str = msgspec.field(name="type")
    message: str
    details: Data = {}


class EmailDetail(EmailView, frozen=True, kw_only=True):
    """The mail and its life, the oldest first."""

    timeline: list[TimelineEntry]


class EmailPage(Page, frozen=True, kw_only=True):
    data: list[EmailView]


class DnsRecord(View, frozen=True, kw_only=True):
    """A record to publish. `purpose` is what it is for; `required` is false for what is only advice."""

    type_: Literal["CNAME", "MX", "TXT"] = msgspec.field(name="type")
    name: str
    value: str
    purpose: Literal["DKIM", "MAIL_FROM", "SPF", "DMARC"]
    required: bool
    priority: int | None = None


class DomainView(View, frozen=True, kw_only=True):
    """A sending domain of a project.

    `status` is what SES said when it was asked last, at `checked_at`; `problem` says why it could not be asked, or what
    it refused. `tokens` and `dkim_tokens` are the same. The records are complete once SES knows the domain. One that is
    `vouched` for by the operator is not checked.
    """

    id: UUID
    domain: str
    verified: bool
    tokens: list[str]
    created_at: Instant
    updated_at: Instant
    project_id: UUID | None = None
    dkim_tokens: list[str] = []
    status: DomainVerification = "PENDING"
    records: list[DnsRecord] = []
    vouched: bool = False
    checked_at: Instant | None = None
    problem: str | None = None


class Outgoing(View, frozen=True, kw_only=True):
    """Whether mail goes out; if not, since when and why."""

    paused: bool
    since: Instant | None = None
    reason: str | None = None


class Ledger(View, frozen=True, kw_only=True):
    """intents = queued + claimed + unknown + sent + failed + suppressed + cancelled, always.

    `resolved` counts those of `sent` that a notification proved after an ambiguous call; `resent` counts second
    attempts; `duplicates` counts mails that SES is known to have accepted more than once.
    """

    intents: int
    queued: int
    claimed: int
    unknown: int
    sent: int
    failed: int
    suppressed: int
    cancelled: int
    resolved: int
    resent: int
    duplicates: int


RenderData = dict[str, Any]
"""Variables of a template: contact data, then the mail's own data, then `email`, `id` and the three link URLs."""
