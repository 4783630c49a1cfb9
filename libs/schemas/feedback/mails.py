"""Messages of the feedback service about mails: what SES and the mailbox providers report."""

import datetime as dt
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Event, Query, View

BounceType = Literal["Permanent", "Transient", "Undetermined"]
FeedbackStatus = Literal["UNKNOWN", "SENT", "DELIVERED", "OPENED", "CLICKED", "BOUNCED", "COMPLAINED"]
"""How far a mail has come, in this order. It never goes back."""


class FeedbackEvent(Event, frozen=True, kw_only=True):
    """A fact about one mail, reported by SES. `at` is the time in the report; `message_id` is SES's id of the mail."""

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
    """SES reports that it has the mail, which settles an intent in state unknown. Once for each `message_id`."""


class EmailDelivered(FeedbackEvent, tag="email.delivered", frozen=True, kw_only=True):
    """The mail was delivered. `first` is true once for each mail, so counting it counts delivered mails."""

    first: bool = True


class EmailOpened(FeedbackEvent, tag="email.opened", frozen=True, kw_only=True):
    """The mail was opened, by a `machine` (a scanner or a prefetching proxy) or by a person.

    `first` is true for one open by a person of each mail, so counting it counts unique opens.
    """

    first: bool
    machine: bool = False


class EmailClicked(FeedbackEvent, tag="email.clicked", frozen=True, kw_only=True):
    """A link in the mail was followed, by a `machine` or by a person.

    `first` is true for one click by a person of each mail, so counting it counts unique clicks. `link` is the one that
    the recipient followed, with whatever it says about them; read models count `impersonal_link(link)`.
    """

    personal: ClassVar[tuple[str, ...]] = ("link",)
    first: bool
    link: str
    machine: bool = False


def addresses_of(*addresses: str | None) -> set[str]:
    return {address.lower() for address in addresses if address}


class EmailBounced(FeedbackEvent, tag="email.bounced", frozen=True, kw_only=True):
    """The mail bounced: permanently (`Permanent`, `Undetermined`) or `Transient`, which includes automatic replies.

    There is one event for each `recipient` that bounced, an address in lower case, null if SES does not name it. It may
    be another than the mail was `sent_to`, where that one forwards. `first` is true for one permanent and one transient
    bounce of each mail; the later of the two has bounced `again`.
    """

    personal: ClassVar[tuple[str, ...]] = ("recipient", "diagnostic", "sentTo")
    bounce_type: BounceType
    bounce_sub_type: str
    diagnostic: str | None = None
    first: bool = True
    again: bool = False
    recipient: str | None = None
    sent_to: str | None = None

    @property
    def addresses(self) -> set[str]:
        """The addresses that it is about, in lower case."""
        return addresses_of(self.recipient, self.sent_to)


class EmailComplained(FeedbackEvent, tag="email.complained", frozen=True, kw_only=True):
    """The mail was marked as spam. `first` is true once for each mail, so counting it counts such mails.

    `recipient` and `sent_to` are as in `EmailBounced`.
    """

    personal: ClassVar[tuple[str, ...]] = ("recipient", "sentTo")
    feedback_type: str | None = None
    first: bool = True
    recipient: str | None = None
    sent_to: str | None = None

    @property
    def addresses(self) -> set[str]:
        """The addresses that it is about, in lower case."""
        return addresses_of(self.recipient, self.sent_to)


class EmailDelayed(FeedbackEvent, tag="email.delayed", frozen=True, kw_only=True):
    """SES could not deliver the mail yet and keeps trying. `delay_type` is SES's."""

    delay_type: str


class EmailRejected(FeedbackEvent, tag="email.rejected", frozen=True, kw_only=True):
    """SES accepted the mail and then did not send it. `reason` is SES's."""

    reason: str


class MailboxEvent(Event, frozen=True, kw_only=True):
    """A fact about a contact's mailbox, which follows from the fate of the mails to it.

    `recipient` is its address in lower case.
    """

    service: ClassVar[str] = "feedback"
    stream: ClassVar[str] = "mailbox-{contact_id}"
    personal: ClassVar[tuple[str, ...]] = ("recipient",)
    contact_id: UUID
    recipient: str | None = None


class MailboxFailing(MailboxEvent, tag="mailbox.failing", frozen=True, kw_only=True):
    """`bounces` mails in a row bounced transiently, from `since` to `at`, so no more mail is sent there."""

    bounces: int
    since: datetime
    at: datetime


class MailboxRecovered(MailboxEvent, tag="mailbox.recovered", frozen=True, kw_only=True):
    """A mail was delivered at `at`, so the mailbox is not failing after all."""

    at: datetime


class FeedbackQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "feedback"


class GetEmailFeedback(FeedbackQuery, tag="get-email-feedback", frozen=True, kw_only=True):
    """Replies with `EmailFeedback`."""

    email_id: UUID


class FindConfirmed(FeedbackQuery, tag="find-confirmed", frozen=True, kw_only=True):
    """Find those of the mails that SES is known to have. Replies with a list of `Confirmed`.

    Refused while notifications may be waiting, since a mail that seems unconfirmed would be sent again.
    """

    email_ids: list[UUID]


class Confirmed(View, frozen=True, kw_only=True):
    """SES has the mail under this id."""

    email_id: UUID
    message_id: str


class GetTimeseries(FeedbackQuery, tag="get-timeseries", frozen=True, kw_only=True):
    """List the days from `start` to `end` in UTC, both included. Replies with a list of `Day`."""

    start: dt.date
    end: dt.date


class Day(View, frozen=True, kw_only=True):
    """How many mails SES accepted on the day, and how many were delivered, opened or clicked for the first time by a
    person, or bounced permanently on it."""

    date: dt.date
    emails: int
    delivered: int
    opens: int
    clicks: int
    bounces: int


class EmailLinkClicks(View, frozen=True, kw_only=True):
    """How often people and machines followed a link of one mail; `clicked_at` is the first click by a person."""

    link: str
    clicks: int
    machine_clicks: int
    clicked_at: datetime | None


class EmailFeedback(View, frozen=True, kw_only=True):
    """What is known of one mail. Each time is SES's time of the earliest event of its kind, null if there is none.

    `bounced_at` is for permanent bounces, `soft_bounced_at` for transient ones. `opens` and `clicks` and their times
    are those of people; machines are counted separately. `status` only goes up, in whatever order the notifications
    arrive, and ignores transient bounces. For a mail without any notification it is UNKNOWN.
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
