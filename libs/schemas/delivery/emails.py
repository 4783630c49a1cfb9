"""Messages of the delivery service about email intents and their outcomes."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Data, Event, Instant, Page, View
from libs.schemas.delivery.base import DeliveryCommand, DeliveryQuery
from libs.schemas.delivery.content import Content, Kind, MailOptions

Source = Literal["TRANSACTIONAL", "CAMPAIGN", "WORKFLOW"]
EmailState = Literal["queued", "claimed", "unknown", "sent", "failed", "suppressed", "cancelled"]
SuppressionReason = Literal["unsubscribed", "bounced", "complained", "erased", "listed", "rule", "capped"]


class MailOrder(DeliveryCommand, frozen=True, kw_only=True):
    """A transactional mail, as ordered.

    Either `content` or `template_id` is set; fields of `overrides` replace those of the template. Content without a
    sender is sent from the project's verified domain. `data` is for this mail only; the data of the contact is added
    for rendering.
    """

    content: Content | None = None
    template_id: UUID | None = None
    overrides: Data = {}
    data: Data = {}
    extras: MailOptions = MailOptions()


class SendEmail(MailOrder, tag="send-email", frozen=True, kw_only=True):
    """Queue one transactional mail. Replies with `QueuedEmail`."""

    email_id: UUID
    contact_id: UUID
    recipient: str
    subscribed: bool


class EmailRecipient(View, frozen=True, kw_only=True):
    """A recipient, and the id of the mail to it. `subscribed` is the contact's when it was read for this mail."""

    email_id: UUID
    contact_id: UUID
    address: str
    subscribed: bool
    name: str | None = None


class SendEmails(MailOrder, tag="send-emails", frozen=True, kw_only=True):
    """Queue a separate mail to each recipient: to all of them or to none. Replies with `QueuedEmails`."""

    recipients: list[EmailRecipient]


class CancelEmail(DeliveryCommand, tag="cancel-email", frozen=True, kw_only=True):
    """Cancel a mail that is still queued. Replies with `EmailView`."""

    email_id: UUID


class ResendEmail(DeliveryCommand, tag="resend-email", frozen=True, kw_only=True):
    """Send a mail whose outcome is unknown again, without waiting for proof. Replies with `EmailView`.

    The mail may arrive twice.
    """

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
    """The intent exists. It is accounted for until it is sent, failed, suppressed or cancelled."""

    personal: ClassVar[tuple[str, ...]] = ("recipient", "content", "data", "extras")
    recipient: str
    step_id: UUID | None = None
    template_id: UUID | None = None
    content: Content | None = None
    data: Data = {}
    kind: Kind = "MARKETING"
    extras: MailOptions | None = None


class EmailSent(EmailEvent, tag="email.sent", frozen=True, kw_only=True):
    """SES accepted the mail. `resolved` is true if a notification showed it rather than the response of SES."""

    personal: ClassVar[tuple[str, ...]] = ("subject",)
    message_id: str
    attempt: int
    subject: str
    resolved: bool = False


class EmailFailed(EmailEvent, tag="email.failed", frozen=True, kw_only=True):
    """The mail will not be sent. `code` is SES's or ours; `reason` is for people."""

    code: str
    reason: str


class EmailSuppressed(EmailEvent, tag="email.suppressed", frozen=True, kw_only=True):
    """The mail is withheld. `rule` is the name of the suppression rule if one was the reason."""

    reason: SuppressionReason
    rule: str | None = None


class EmailCancelled(EmailEvent, tag="email.cancelled", frozen=True, kw_only=True):
    """The mail was cancelled before SES was called for it."""

    reason: str


class EmailUnresolved(EmailEvent, tag="email.unresolved", frozen=True, kw_only=True):
    """SES may or may not have the mail: this attempt got no response that settles it."""

    attempt: int
    cause: str


class EmailRequeued(EmailEvent, tag="email.requeued", frozen=True, kw_only=True):
    """The mail is sent once more.

    Either its grace is over, notifications arrive and none confirms it, or an operator has asked for it.
    """

    attempt: int
    by: Literal["policy", "operator"] = "policy"


class CheckOrder(DeliveryQuery, tag="check-order", frozen=True, kw_only=True):
    """Check whether this mail could be sent to a subscribed recipient. Replies with `ValidatedEmail`.

    Refused like `SendEmails` would be. What depends on the recipient, `data` and parts of `extras`, is not checked.
    """

    content: Content | None = None
    template_id: UUID | None = None
    overrides: Data = {}
    extras: MailOptions = MailOptions()


class GetEmail(DeliveryQuery, tag="get-email", frozen=True, kw_only=True):
    """Replies with `EmailDetail`, with what delivery knows of the mail's history."""

    email_id: UUID


class ListEmails(DeliveryQuery, tag="list-emails", frozen=True, kw_only=True):
    """List mails, newest first. Replies with `EmailPage`."""

    limit: int = 20
    cursor: str | None = None
    state: EmailState | None = None
    campaign_id: UUID | None = None
    workflow_id: UUID | None = None
    contact_id: UUID | None = None
    source: Source | None = None
    recipient: str | None = None


class FindSuppressed(DeliveryQuery, tag="find-suppressed", frozen=True, kw_only=True):
    """Find those of the `readers` (address by contact) to whom a campaign of this kind would not be sent now.

    The rules are the same as when a mail is claimed. Replies with a list of `Suppressed`.
    """

    readers: dict[UUID, str]
    kind: Kind


class Suppressed(View, frozen=True, kw_only=True):
    contact_id: UUID
    reason: SuppressionReason


class QueuedEmail(View, frozen=True, kw_only=True):
    email: UUID
    timestamp: Instant


class QueuedEmails(View, frozen=True, kw_only=True):
    """The ids of the mails, in the order of the recipients."""

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
    """One event in the history of a mail: `type` for programs, `message` for people."""

    at: Instant
    type_: str = msgspec.field(name="type")
    message: str
    details: Data = {}


class EmailDetail(EmailView, frozen=True, kw_only=True):
    """A mail and its history, oldest first."""

    timeline: list[TimelineEntry]


class EmailPage(Page, frozen=True, kw_only=True):
    data: list[EmailView]
