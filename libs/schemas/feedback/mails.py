"""What the mailbox providers report back about each mail: the feedback service's messages."""

import datetime as dt
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Event, Query, View

BounceType = Literal["Permanent", "Transient", "Undetermined"]
FeedbackStatus = Literal["UNKNOWN", "SENT", "DELIVERED", "OPENED", "CLICKED", "BOUNCED", "COMPLAINED"]
"""How far a mail has come, in this order: a later one is never taken back."""


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
    """`first` is true once for each mail, so that counting it counts delivered mails."""

    first: bool = True


class EmailOpened(FeedbackEvent, tag="email.opened", frozen=True, kw_only=True):
    """`first` is true once for each mail, so that counting it counts unique opens: the first by a human that we learned
    of. A machine's opens (scanners, prefetching proxies) are never first."""

    first: bool
    machine: bool = False


class EmailClicked(FeedbackEvent, tag="email.clicked", frozen=True, kw_only=True):
    """`first` is true once for each mail, so that counting it counts unique clicks: the first by a human that we
    learned of. A machine's clicks are never first."""

    first: bool
    link: str
    machine: bool = False


class EmailBounced(FeedbackEvent, tag="email.bounced", frozen=True, kw_only=True):
    """The mail came back: for good (`Permanent`, `Undetermined`) or for now (`Transient`, automatic replies too).

    `first` is true once for each mail among those for good, and once among those for now. One event for each
    `recipient` that bounced, an address in lower case; null if SES does not name it.
    """

    personal: ClassVar[tuple[str, ...]] = ("recipient", "diagnostic")
    bounce_type: BounceType
    bounce_sub_type: str
    diagnostic: str | None = None
    first: bool = True
    recipient: str | None = None


class EmailComplained(FeedbackEvent, tag="email.complained", frozen=True, kw_only=True):
    """`first` is true once for each mail, so that counting it counts mails that were complained about."""

    personal: ClassVar[tuple[str, ...]] = ("recipient",)
    feedback_type: str | None = None
    first: bool = True
    recipient: str | None = None


class EmailDelayed(FeedbackEvent, tag="email.delayed", frozen=True, kw_only=True):
    delay_type: str


class EmailRejected(FeedbackEvent, tag="email.rejected", frozen=True, kw_only=True):
    reason: str


class MailboxEvent(Event, frozen=True, kw_only=True):
    """A fact about the mailbox of a contact, `recipient`, an address in lower case. It follows from what became of the
    mails to it."""

    service: ClassVar[str] = "feedback"
    stream: ClassVar[str] = "mailbox-{contact_id}"
    personal: ClassVar[tuple[str, ...]] = ("recipient",)
    contact_id: UUID
    recipient: str | None = None


class MailboxFailing(MailboxEvent, tag="mailbox.failing", frozen=True, kw_only=True):
    """So many mails in a row bounced for now, from `since` to `at`, and none was delivered: nothing more goes there."""

    bounces: int
    since: datetime
    at: datetime


class MailboxRecovered(MailboxEvent, tag="mailbox.recovered", frozen=True, kw_only=True):
    """A mail was delivered, at `at`, to a mailbox that was said to be failing."""

    at: datetime


class FeedbackQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "feedback"


class GetEmailFeedback(FeedbackQuery, tag="get-email-feedback", frozen=True, kw_only=True):
    """Answers `EmailFeedback`."""

    email_id: UUID


class FindConfirmed(FeedbackQuery, tag="find-confirmed", frozen=True, kw_only=True):
    """Which of these mails SES is known to have taken. Answers a list of `Confirmed`, without those it is not."""

    email_ids: list[UUID]


class Confirmed(View, frozen=True, kw_only=True):
    """SES has the mail, under this id."""

    email_id: UUID
    message_id: str


class GetTimeseries(FeedbackQuery, tag="get-timeseries", frozen=True, kw_only=True):
    """The days from `start` to `end`, both included, in UTC. Answers a list of `Day`."""

    start: dt.date
    end: dt.date


class Day(View, frozen=True, kw_only=True):
    """Mails that SES took on that day, and mails that were delivered, first opened or clicked by a human, or bounced
    for good on it."""

    date: dt.date
    emails: int
    delivered: int
    opens: int
    clicks: int
    bounces: int


class EmailLinkClicks(View, frozen=True, kw_only=True):
    """How often a link of one mail was followed, by humans and by machines; `clicked_at` is the first human's time."""

    link: str
    clicks: int
    machine_clicks: int
    clicked_at: datetime | None


class EmailFeedback(View, frozen=True, kw_only=True):
    """What is known of one mail; times are SES's and the earliest of their kind, null until it happened.

    `bounced_at` is for bounces for good, `soft_bounced_at` for the others. `opens` and `clicks`, and their times, are
    those of humans; what machines did is counted beside them. A mail that nothing is known of has nothing but nulls.
    `status` only goes up, whatever the order in which news comes; a bounce for now does not change it.
    """

    email_id: UUID
    status: FeedbackStatus
    confirmed_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    bounced_at: datetime | None
    soft_bounced_at: datetime | None
    complained_at: datetime | None
    delayed_at: datetime | None
    rejected_at: datetime | None
    opens: int
    clicks: int
    machine_opens: int
    machine_clicks: int
    links: list[EmailLinkClicks] = []
