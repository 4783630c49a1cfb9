"""What SES writes about a mail, in both shapes: event publishing (`eventType`) and feedback (`notificationType`).

Pure. https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated
from uuid import UUID

import msgspec

SETUP_NOTICE = "Successfully validated SNS topic for Amazon SES event publishing."
"""The one message of SES that is not JSON."""


PLAUSIBLE_YEARS = range(2011, 2100)
"""From the year in which SES began."""

MessageId = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,200}\Z")]


class Unreadable(ValueError):
    """The message is not from SES, or has a shape that we do not know."""


class Contradictory(ValueError):
    """The message says what cannot be true. Unlike an unreadable one, it will not be understood later either."""


class SesPart(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a notification. Members that are not declared are ignored."""


class SesRecipient(SesPart, frozen=True):
    email_address: str = ""
    diagnostic_code: str | None = None


class SesHeader(SesPart, frozen=True):
    name: str = ""
    value: str = ""


class SesMail(SesPart, frozen=True):
    """The mail that the notification is about.

    Feedback has `headers` if the identity includes the original headers; only event publishing has `tags`.
    """

    message_id: MessageId
    timestamp: datetime
    destination: list[str] = []
    tags: dict[str, list[str]] = {}
    headers: list[SesHeader] = []


class SesBounce(SesPart, frozen=True):
    timestamp: datetime
    bounce_type: str = ""
    bounce_sub_type: str = ""
    bounced_recipients: list[SesRecipient] = []


class SesComplaint(SesPart, frozen=True):
    timestamp: datetime
    complained_recipients: list[SesRecipient] = []
    complaint_feedback_type: str | None = None


class SesDelivery(SesPart, frozen=True):
    timestamp: datetime
    recipients: list[str] = []


class SesDelay(SesPart, frozen=True):
    timestamp: datetime
    delay_type: str = ""
    delayed_recipients: list[SesRecipient] = []


class SesEngagement(SesPart, frozen=True):
    """An open, or a click if it has a link."""

    timestamp: datetime
    user_agent: str | None = None
    link: str = ""


class SesReject(SesPart, frozen=True):
    reason: str = ""


class SesFailure(SesPart, frozen=True):
    error_message: str = ""


class SesNotification(SesPart, frozen=True):
    """One notification. Its kind says which part it has; kinds without a part here are accepted as well."""

    event_type: str = ""
    notification_type: str = ""
    mail: SesMail | None = None
    bounce: SesBounce | None = None
    complaint: SesComplaint | None = None
    delivery: SesDelivery | None = None
    delivery_delay: SesDelay | None = None
    open: SesEngagement | None = None
    click: SesEngagement | None = None
    reject: SesReject | None = None
    failure: SesFailure | None = None

    @property
    def kind(self) -> str:
        """`delivery`, `renderingfailure` and so on: the same name in both shapes."""
        return (self.event_type or self.notification_type).replace(" ", "").lower()

    @property
    def at(self) -> datetime | None:
        """The time of the event or, for kinds without one, the time at which SES accepted the mail."""
        timed = self.bounce or self.complaint or self.delivery or self.delivery_delay or self.open or self.click
        stated = timed.timestamp if timed else self.mail.timestamp if self.mail else None
        return stated and in_utc(stated)

    @property
    def recipients(self) -> list[str]:
        if self.delivery:
            return self.delivery.recipients
        if self.bounce:
            return [each.email_address for each in self.bounce.bounced_recipients]
        if self.complaint:
            return [each.email_address for each in self.complaint.complained_recipients]
        if self.delivery_delay:
            return [each.email_address for each in self.delivery_delay.delayed_recipients]
        return self.mail.destination if self.mail else []

    @property
    def _detail(self) -> tuple[str | None, ...]:
        """What distinguishes two events of a kind in the same millisecond."""
        engagement = self.open or self.click
        if engagement:
            return engagement.link, engagement.user_agent
        return (self.bounce.bounce_type,) if self.bounce else ()

    def event_key(self) -> UUID | None:
        """Return the key of the event that this reports, or None if it is not about a mail.

        Every notification of the same event has the same key, whichever topic and shape it comes by and however often.
        """
        if self.mail is None:
            return None
        natural_key = [self.mail.message_id, self.kind, sorted(self.recipients), self.at, self._detail]
        return UUID(bytes=blake2b(msgspec.json.encode(natural_key), digest_size=16).digest())


_decode = msgspec.json.Decoder(SesNotification).decode


def parse_notification(message: str) -> SesNotification:
    """Return the notification. Raise Unreadable if it is not JSON, or not as SES documents it."""
    if message.strip() == SETUP_NOTICE:
        return SesNotification()
    try:
        return _decode(message)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(f"not a notification of SES: {error}") from error


def in_utc(moment: datetime) -> datetime:
    """Return the time in UTC, which SES means if it names no zone. Raise Contradictory if SES did not exist then."""
    if moment.year not in PLAUSIBLE_YEARS:
        raise Contradictory(f"the notification is about the year {moment.year}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
