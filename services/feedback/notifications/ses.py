"""What SES writes about a mail, in both shapes: event publishing (`eventType`) and feedback (`notificationType`).

Pure. https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated
from uuid import UUID

import msgspec

SETUP_NOTICE = "Successfully validated SNS topic for Amazon SES event publishing."
"""The one thing SES says that is not JSON."""


MessageId = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,200}\Z")]


class Unreadable(ValueError):
    """SES did not write this, or in a way that we do not know."""


class Part(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Recipient(Part, frozen=True):
    email_address: str = ""
    diagnostic_code: str | None = None


class Header(Part, frozen=True):
    name: str = ""
    value: str = ""


class Mail(Part, frozen=True):
    """`headers` are there in feedback if the identity includes original headers; `tags` only in event publishing."""

    message_id: MessageId
    timestamp: datetime
    destination: list[str] = []
    tags: dict[str, list[str]] = {}
    headers: list[Header] = []


class Bounce(Part, frozen=True):
    timestamp: datetime
    bounce_type: str = ""
    bounce_sub_type: str = ""
    bounced_recipients: list[Recipient] = []


class Complaint(Part, frozen=True):
    timestamp: datetime
    complained_recipients: list[Recipient] = []
    complaint_feedback_type: str | None = None


class Delivery(Part, frozen=True):
    timestamp: datetime
    recipients: list[str] = []


class Delay(Part, frozen=True):
    timestamp: datetime
    delay_type: str = ""
    delayed_recipients: list[Recipient] = []


class Hit(Part, frozen=True):
    """An open, or a click if there is a link."""

    timestamp: datetime
    user_agent: str | None = None
    link: str = ""


class Reject(Part, frozen=True):
    reason: str = ""


class Failure(Part, frozen=True):
    error_message: str = ""


class Record(Part, frozen=True):
    """One notification. Its kind says which of the parts is there; a kind that has no part of ours is fine."""

    event_type: str = ""
    notification_type: str = ""
    mail: Mail | None = None
    bounce: Bounce | None = None
    complaint: Complaint | None = None
    delivery: Delivery | None = None
    delivery_delay: Delay | None = None
    open: Hit | None = None
    click: Hit | None = None
    reject: Reject | None = None
    failure: Failure | None = None

    @property
    def kind(self) -> str:
        """`delivery`, `renderingfailure`, ...: the same name in both shapes."""
        return (self.event_type or self.notification_type).replace(" ", "").lower()

    @property
    def at(self) -> datetime | None:
        """When it happened; for what has no time of its own, when the mail was given to SES."""
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
        """What tells apart two of a kind in the same millisecond."""
        hit = self.open or self.click
        if hit:
            return hit.link, hit.user_agent
        return (self.bounce.bounce_type,) if self.bounce else ()

    def happening(self) -> UUID | None:
        """The same for the same happening, whichever topic or shape tells of it and however often; None if it is not
        about a mail."""
        if self.mail is None:
            return None
        natural_key = [self.mail.message_id, self.kind, sorted(self.recipients), self.at, self._detail]
        return UUID(bytes=blake2b(msgspec.json.encode(natural_key), digest_size=16).digest())


_decode = msgspec.json.Decoder(Record).decode


def read(message: str) -> Record:
    """Raises Unreadable for what is not JSON, or not as SES documents it."""
    if message.strip() == SETUP_NOTICE:
        return Record()
    try:
        return _decode(message)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(f"not a notification of SES: {error}") from error


def in_utc(moment: datetime) -> datetime:
    """SES means UTC where it names no zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
