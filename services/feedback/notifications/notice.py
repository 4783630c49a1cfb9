"""A notice: what one notification says about a mail of ours, as facts of our own. Pure."""

from datetime import datetime
from typing import TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.personal_text import without_addresses, without_link_tokens
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
    SesBounce,
    SesComplaint,
    SesEngagement,
    SesMail,
    SesNotification,
    SesRecipient,
    Unreadable,
    in_utc,
)
from services.feedback.notifications.tags import MailIds, identify

Part = TypeVar("Part")
MAX_TEXT = 1000
NUL = "\0"
NOT_SPAM = "not-spam"
"""The feedback type of somebody who took the mail out of the spam folder: the opposite of a complaint (RFC 6430)."""
NO_RECIPIENT = SesRecipient()
"""Stands for the recipient of a bounce or complaint that names none."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What one notification says: that SES has the mail, and what happened to it.

    There is one of the `facts` for each recipient that bounced or complained, and none if SES only says that it has the
    mail. Whether they are the first of their kind is decided later. `recipient` is the address that the mail went to.
    """

    project: UUID
    confirmed: EmailConfirmed
    facts: tuple[FeedbackEvent, ...]
    recipient: str | None = None

    @property
    def email_id(self) -> UUID:
        return self.confirmed.email_id


def notice_of(notification: SesNotification) -> Notice | None:
    """Return the notice, or None if the notification is not about a mail of ours.

    Raise Unreadable if the notification lacks the part that its kind must have.
    """
    mail = notification.mail
    identified = identify(mail) if mail else None
    if mail is None or identified is None:
        return None
    project, ids = identified
    confirmed = EmailConfirmed(**ids, at=in_utc(mail.timestamp))
    facts = _facts(notification, mail, ids)
    return Notice(project=project, confirmed=confirmed, facts=facts, recipient=_sent_to(mail))


def _facts(notification: SesNotification, mail: SesMail, ids: MailIds) -> tuple[FeedbackEvent, ...]:
    at = notification.at or in_utc(mail.timestamp)
    match notification.kind:
        case "delivery":
            _required(notification.delivery)
            return (EmailDelivered(**ids, at=at),)
        case "bounce":
            bounce = _required(notification.bounce)
            recipients = bounce.bounced_recipients or [NO_RECIPIENT]
            return tuple(replace(_bounced(bounce, each, ids, at), sent_to=_sent_to(mail)) for each in recipients)
        case "complaint":
            complaint = _required(notification.complaint)
            if complaint.complaint_feedback_type == NOT_SPAM:
                return ()
            recipients = complaint.complained_recipients or [NO_RECIPIENT]
            return tuple(replace(_complained(complaint, each, ids, at), sent_to=_sent_to(mail)) for each in recipients)
        case "deliverydelay":
            delay_type = _impersonal(_required(notification.delivery_delay).delay_type)
            return (EmailDelayed(**ids, at=at, delay_type=delay_type),)
        case "open":
            machine = _by_machine(_required(notification.open), at, mail)
            return (EmailOpened(**ids, at=at, first=False, machine=machine),)
        case "click":
            click = _required(notification.click)
            link = without_link_tokens(click.link.replace(NUL, ""))
            return (EmailClicked(**ids, at=at, first=False, link=link, machine=_by_machine(click, at, mail)),)
        case "reject":
            return (EmailRejected(**ids, at=at, reason=_impersonal(_required(notification.reject).reason)),)
        case "renderingfailure":
            return (EmailRejected(**ids, at=at, reason=_impersonal(_required(notification.failure).error_message)),)
        case _:  # a Send, or a kind newer than this code: either way SES has the mail
            return ()


def _required(part: Part | None) -> Part:
    if part is None:
        raise Unreadable("the notification lacks the part that its kind must have")
    return part


def _bounced(bounce: SesBounce, recipient: SesRecipient, ids: MailIds, at: datetime) -> EmailBounced:
    return EmailBounced(
        **ids,
        at=at,
        bounce_type=_bounce_type(bounce.bounce_type),
        bounce_sub_type=_impersonal(bounce.bounce_sub_type),
        diagnostic=_text(recipient.diagnostic_code),
        recipient=_address(recipient.email_address),
    )


def _complained(complaint: SesComplaint, recipient: SesRecipient, ids: MailIds, at: datetime) -> EmailComplained:
    feedback_type = _impersonal(complaint.complaint_feedback_type) or None
    return EmailComplained(**ids, at=at, feedback_type=feedback_type, recipient=_address(recipient.email_address))


def _bounce_type(stated: str) -> BounceType:
    for bounce_type in get_args(BounceType):
        if stated == bounce_type:
            found: BounceType = bounce_type
            return found
    return "Undetermined"


def _by_machine(engagement: SesEngagement, at: datetime, mail: SesMail) -> bool:
    return is_machine(engagement.user_agent, at, in_utc(mail.timestamp))


def _sent_to(mail: SesMail) -> str | None:
    """Return the address that the mail went to. Each of our calls has one."""
    return next((address for each in mail.destination if (address := _address(each))), None)


def _address(written: str) -> str | None:
    """Return the address without the name that the receiving server may have written around it."""
    address = written.rpartition("<")[2].partition(">")[0].strip().lower()
    return _text(address) if "@" in address else None


def _impersonal(text: str | None) -> str:
    """Return text that the log does not encrypt: a reason or a kind, without the addresses that it may name."""
    return without_addresses(_text(text) or "")


def _text(text: str | None) -> str | None:
    """Return text of a foreign server so that it can be stored: not too long, and without NUL."""
    return text and text[:MAX_TEXT].replace(NUL, "")
