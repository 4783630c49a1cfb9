"""A notification about a mail of ours, in our words: that SES has the mail, and mostly one more fact. Pure."""

from datetime import datetime
from typing import TypeVar, get_args
from uuid import UUID

import msgspec

from libs.schemas.feedback.mails import (
    BounceType,
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelayed,
    EmailDelivered,
    EmailOpened,
    EmailRejected,
    FeedbackEvent,
)
from services.feedback.notifications.machines import is_machine
from services.feedback.notifications.ses import (
    Bounce,
    Complaint,
    Hit,
    Mail,
    Recipient,
    Record,
    Unreadable,
    in_utc,
)
from services.feedback.notifications.tags import Ids, owner_of

Part = TypeVar("Part")
MAX_TEXT = 1000
NUL = "\0"
NOBODY = Recipient()
"""Whom a part is about that names no recipient."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What one notification says. There are no `facts` if it says only that SES has the mail, and one for each
    recipient that bounced or complained; whether they are the first of their kind is not decided yet."""

    project: UUID
    confirmed: EmailConfirmed
    facts: tuple[FeedbackEvent, ...]
    recipient: str | None = None
    """Whom the mail went to: each goes to one."""

    @property
    def email_id(self) -> UUID:
        return self.confirmed.email_id


def notice_of(record: Record) -> Notice | None:
    """None if it is not about a mail of ours. Raises Unreadable if its kind's own part is missing."""
    owner = owner_of(record.mail) if record.mail else None
    if record.mail is None or owner is None:
        return None
    project, ids = owner
    confirmed = EmailConfirmed(**ids, at=in_utc(record.mail.timestamp))
    recipient = next((found for each in record.mail.destination if (found := _address(each))), None)
    return Notice(project=project, confirmed=confirmed, facts=_facts(record, record.mail, ids), recipient=recipient)


def _facts(record: Record, mail: Mail, ids: Ids) -> tuple[FeedbackEvent, ...]:
    at = record.at or in_utc(mail.timestamp)
    match record.kind:
        case "delivery":
            _there(record.delivery)
            return (EmailDelivered(**ids, at=at),)
        case "bounce":
            bounce = _there(record.bounce)
            return tuple(_bounced(bounce, each, ids, at) for each in bounce.bounced_recipients or [NOBODY])
        case "complaint":
            complaint = _there(record.complaint)
            return tuple(_complained(complaint, each, ids, at) for each in complaint.complained_recipients or [NOBODY])
        case "deliverydelay":
            return (EmailDelayed(**ids, at=at, delay_type=_text(_there(record.delivery_delay).delay_type) or ""),)
        case "open":
            machine = _by_machine(_there(record.open), at, mail)
            return (EmailOpened(**ids, at=at, first=False, machine=machine),)
        case "click":
            click = _there(record.click)
            link = click.link.replace(NUL, "")
            return (EmailClicked(**ids, at=at, first=False, link=link, machine=_by_machine(click, at, mail)),)
        case "reject":
            return (EmailRejected(**ids, at=at, reason=_text(_there(record.reject).reason) or ""),)
        case "renderingfailure":
            return (EmailRejected(**ids, at=at, reason=_text(_there(record.failure).error_message) or ""),)
        case _:  # a Send, or a kind younger than this code: either way SES has the mail
            return ()


def _there(part: Part | None) -> Part:
    """The part that a notification of this kind must have."""
    if part is None:
        raise Unreadable("the notification lacks the part that its kind names")
    return part


def _bounced(part: Bounce, whose: Recipient, ids: Ids, at: datetime) -> EmailBounced:
    return EmailBounced(
        **ids,
        at=at,
        bounce_type=_bounce_type(part.bounce_type),
        bounce_sub_type=_text(part.bounce_sub_type) or "",
        diagnostic=_text(whose.diagnostic_code),
        recipient=_address(whose.email_address),
    )


def _complained(part: Complaint, whose: Recipient, ids: Ids, at: datetime) -> EmailComplained:
    feedback_type = _text(part.complaint_feedback_type)
    return EmailComplained(**ids, at=at, feedback_type=feedback_type, recipient=_address(whose.email_address))


def _bounce_type(stated: str) -> BounceType:
    for known in get_args(BounceType):
        if stated == known:
            kind: BounceType = known
            return kind
    return "Undetermined"


def _by_machine(hit: Hit, at: datetime, mail: Mail) -> bool:
    return is_machine(hit.user_agent, at, in_utc(mail.timestamp))


def _address(written: str) -> str | None:
    """The address alone: the mailbox's server may have written a name around it."""
    address = written.rpartition("<")[2].partition(">")[0].strip().lower()
    return _text(address) if "@" in address else None


def _text(text: str | None) -> str | None:
    """A stranger's server wrote it: short enough to keep, and without NUL, which Postgres cannot."""
    return text and text[:MAX_TEXT].replace(NUL, "")
