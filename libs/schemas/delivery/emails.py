"""Email intents and their outcomes, and sending domains: what the delivery service accepts, says and answers."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Data, Event, Instant, Page, View
from libs.schemas.delivery.base import DeliveryCommand, DeliveryQuery
from libs.schemas.delivery.content import Content, Kind, MailOptions

Source = Literal["TRANSACTIONAL", "CAMPAIGN", "WORKFLOW"]
EmailState = Literal["queued", "claimed", "unknown", "sent", "failed", "suppressed", "cancelled"]
SuppressionReason = Literal["unsubscribed", "bounced", "complained", "erased", "listed", "rule"]


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
    extras: MailOptions = MailOptions()


class SendEmail(MailOrder, tag="send-email", frozen=True, kw_only=True):
    """Queue one transactional mail. Answers `QueuedEmail`."""

    email_id: UUID
    contact_id: UUID
    recipient: str
    subscribed: bool


class EmailRecipient(View, frozen=True, kw_only=True):
    """Who gets a mail, by which id. `subscribed` is as the contact said when it was read for this mail."""

    email_id: UUID
    contact_id: UUID
    address: str
    subscribed: bool
    name: str | None = None


class SendEmails(MailOrder, tag="send-emails", frozen=True, kw_only=True):
    """Queue the same mail to each recipient, in one of its own: to all of them, or to none. Answers `QueuedEmails`."""

    recipients: list[EmailRecipient]


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
    extras: MailOptions | None = None


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


class CheckOrder(DeliveryQuery, tag="check-order", frozen=True, kw_only=True):
    """Could this mail be sent to somebody who is subscribed? Refused as `SendEmails` would be, or `ValidatedEmail`.

    What is said of recipients in `extras` and `data` has no part in it.
    """

    content: Content | None = None
    template_id: UUID | None = None
    overrides: Data = {}
    extras: MailOptions = MailOptions()


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


class FindSuppressed(DeliveryQuery, tag="find-suppressed", frozen=True, kw_only=True):
    """Those of the readers (contact and address) from whom a campaign of this kind would be withheld if it was sent
    now: exactly what is decided when a mail is claimed. Answers a list of `Suppressed`."""

    readers: dict[UUID, str]
    kind: Kind


class Suppressed(View, frozen=True, kw_only=True):
    contact_id: UUID
    reason: SuppressionReason


class QueuedEmail(View, frozen=True, kw_only=True):
    email: UUID
    timestamp: Instant


class QueuedEmails(View, frozen=True, kw_only=True):
    """In the order of the recipients."""

    emails: list[UUID]
    timestamp: Instant


class ValidatedEmail(View, frozen=True, kw_only=True):
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
