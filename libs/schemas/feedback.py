"""What the mailbox providers report back about each mail: the feedback service's messages."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Command, Event, Query, View

BounceType = Literal["Permanent", "Transient", "Undetermined"]


class RecordNotification(Command, tag="record-notification", frozen=True, kw_only=True):
    """A notification whose SNS signature was checked at the edge, as it came. Published on `ingest.sns`.

    `message` is the JSON text that SES wrote; `notification_id` is SNS's MessageId, the same on every retry.
    """

    service: ClassVar[str] = "feedback"
    notification_id: UUID
    topic_arn: str
    sent_at: datetime
    message: str


class FeedbackEvent(Event, frozen=True, kw_only=True):
    """A fact about one mail, told by SES. `at` is SES's time of it; `message_id` is SES's id of the mail."""

    service: ClassVar[str] = "feedback"
    stream: ClassVar[str] = "feedback-{email_id}"
    email_id: UUID
    contact_id: UUID
    message_id: str
    at: datetime
    campaign_id: UUID | None = None
    workflow_id: UUID | None = None
    execution_id: UUID | None = None


class EmailConfirmed(FeedbackEvent, tag="email.confirmed", frozen=True, kw_only=True):
    """SES says it has the mail: the proof that settles an intent in state unknown. Once for each `message_id`."""


class EmailDelivered(FeedbackEvent, tag="email.delivered", frozen=True, kw_only=True):
    pass


class EmailOpened(FeedbackEvent, tag="email.opened", frozen=True, kw_only=True):
    """`first` is true once for each mail, so that counting it counts unique opens."""

    first: bool
    machine: bool = False


class EmailClicked(FeedbackEvent, tag="email.clicked", frozen=True, kw_only=True):
    """`first` is true once for each mail, so that counting it counts unique clicks."""

    first: bool
    link: str
    machine: bool = False


class EmailBounced(FeedbackEvent, tag="email.bounced", frozen=True, kw_only=True):
    bounce_type: BounceType
    bounce_sub_type: str
    diagnostic: str | None = None


class EmailComplained(FeedbackEvent, tag="email.complained", frozen=True, kw_only=True):
    feedback_type: str | None = None


class EmailDelayed(FeedbackEvent, tag="email.delayed", frozen=True, kw_only=True):
    delay_type: str


class EmailRejected(FeedbackEvent, tag="email.rejected", frozen=True, kw_only=True):
    reason: str


class FeedbackQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "feedback"


class GetEmailFeedback(FeedbackQuery, tag="get-email-feedback", frozen=True, kw_only=True):
    """Answers `EmailFeedback`."""

    email_id: UUID


class EmailFeedback(View, frozen=True, kw_only=True):
    """What is known of one mail; times are SES's, null until it happened."""

    email_id: UUID
    confirmed_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    bounced_at: datetime | None
    complained_at: datetime | None
    opens: int
    clicks: int
