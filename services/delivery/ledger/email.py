"""One email intent: the decider of everything that can happen to it. Pure.

queued -> claimed -> sent | failed | unknown | queued again (SES did not accept it; the attempt does not count)
queued -> suppressed | cancelled         decided again in the transaction of the claim
unknown -> sent                          a notification proves it
        -> queued | failed               after the grace period, if notifications arrive and none is late
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.personal_text import without_addresses
from libs.kernel.rejection import Rejected
from libs.schemas.delivery.emails import (
    EmailCancelled,
    EmailEvent,
    EmailFailed,
    EmailRequeued,
    EmailSent,
    EmailState,
    EmailSuppressed,
    EmailUnresolved,
    Source,
    SuppressionReason,
)
from services.delivery.ledger.timing import GraceClass, Timing
from services.delivery.ses.outcome import MailRejected, NotTaken, Outcome, Sent, Throttled, Unknown

MAX_ATTEMPTS = 2
"""A mail whose outcome stays unknown is sent a second time, but not a third."""

THROTTLED_FOR = 1.0
DAILY_FOR = 300.0
NOT_TAKEN_FOR = 5.0
PARKED_FOR = 100 * 365.25 * 24 * 60 * 60
"""Long enough to stay parked until `campaign_holds` or `ab_test` unparks it."""

UNSETTLED: tuple[EmailState, ...] = ("unknown", "queued")
"""States that a proof of acceptance turns into `sent`. A claimed mail is left to its sender as long as that lives."""

HELD = "held until notifications arrive"
"""Reason of a mail that stays unknown after its grace period because no notifications arrive."""

LEASE_OVER = Unknown("the sender died")


class NotificationWatermark(msgspec.Struct, frozen=True):
    """How far notifications have come, as evidence that they arrive.

    `at` is the time of the latest event that any notification reported, `late_at` when the last late one arrived.
    """

    at: datetime | None = None
    late_at: datetime | None = None


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as it was read; a change applies only while `state` and `claim` are still the same.

    `meta` is the JSON of the envelope's meta that the intent came with.
    """

    id: UUID
    project: UUID
    contact_id: UUID
    source: Source
    campaign_id: UUID | None = None
    workflow_id: UUID | None = None
    execution_id: UUID | None = None
    state: EmailState = "claimed"
    claim: UUID | None = None
    claimed_at: datetime | None = None
    attempt: int = 1
    message_ids: tuple[str, ...] = ()
    one_time_code: bool = False
    never_resend: bool = False
    """Whether its campaign prefers leaving a recipient out to writing to anyone twice."""
    meta: str = "{}"

    @property
    def grace_class(self) -> GraceClass:
        return "ONE_TIME_CODE" if self.one_time_code else self.source

    @property
    def ids(self) -> dict[str, Any]:
        """Return the fields that every event about the intent has."""
        return {
            "email_id": self.id,
            "contact_id": self.contact_id,
            "source": self.source,
            "campaign_id": self.campaign_id,
            "workflow_id": self.workflow_id,
            "execution_id": self.execution_id,
        }


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change to an intent. A lasting change of state has an event.

    `due_in` is in how many seconds to look at the intent again; `uncounted` takes the attempt back, because SES was not
    involved.
    """

    state: EmailState
    event: EmailEvent | None = None
    due_in: float = 0.0
    uncounted: bool = False
    message_id: str | None = None
    resolved: bool = False
    reason: str | None = None


def suppress(email: Email, reason: SuppressionReason, rule: str | None = None) -> Change:
    event = EmailSuppressed(**email.ids, reason=reason, rule=rule)
    return Change(state="suppressed", reason=f"{reason}: {rule}" if rule else reason, event=event, uncounted=True)


def cancel(email: Email) -> Change:
    """Cancel a mail whose campaign was cancelled before SES was called for it."""
    event = EmailCancelled(**email.ids, reason="campaign_cancelled")
    return Change(state="cancelled", reason=event.reason, event=event, uncounted=email.state == "claimed")


def cancel_queued(email: Email) -> Change | None:
    """Cancel a queued mail on request; None if it is cancelled already. Raise Rejected if it is too late."""
    if email.state == "cancelled":
        return None
    if email.state != "queued":
        raise Rejected("EMAIL_NOT_CANCELLABLE", f"Only a queued mail can be cancelled; this one is {email.state}.")
    if email.attempt:
        raise Rejected(
            "EMAIL_NOT_CANCELLABLE", "Amazon SES may already have this mail; it is queued for a second attempt."
        )
    event = EmailCancelled(**email.ids, reason="requested")
    return Change(state="cancelled", reason=event.reason, event=event)


def resend_unknown(email: Email) -> Change:
    """Queue an unknown mail again although it may arrive twice. Raise Rejected if its outcome is known."""
    if email.state == "sent" or email.message_ids:
        raise Rejected("EMAIL_ALREADY_SENT", "Amazon SES has already accepted this mail.")
    if email.state != "unknown":
        raise Rejected(
            "EMAIL_NOT_UNKNOWN", f"Only a mail with an unknown outcome can be resent; this one is {email.state}."
        )
    event = EmailRequeued(**email.ids, attempt=email.attempt + 1, by="operator")
    return Change(state="queued", event=event)


def park(email: Email) -> Change:
    """Return a claimed mail of a paused campaign to the queue until the campaign is resumed."""
    return Change(state="queued", uncounted=True, due_in=PARKED_FOR)


def postpone(email: Email, seconds: float, reason: str) -> Change:
    """Return a claimed mail to the queue because its campaign's schedule does not allow it yet."""
    return Change(state="queued", uncounted=True, due_in=seconds, reason=reason)


def withdraw(email: Email) -> Change:
    """Suppress a queued mail whose contact was deleted."""
    return Change(state="suppressed", reason="erased", event=EmailSuppressed(**email.ids, reason="erased"))


def settle(email: Email, outcome: Outcome, timing: Timing) -> Change:
    """Return the change that follows from the outcome of the call."""
    match outcome:
        case Sent(message_id=message_id, subject=subject):
            return _sent(email, message_id, subject)
        case MailRejected(code=code, reason=reason):
            return fail(email, code, reason)
        case Unknown(cause=cause):
            cause = without_addresses(cause)
            event = EmailUnresolved(**email.ids, attempt=email.attempt, cause=cause)
            return Change(state="unknown", reason=cause, event=event, due_in=timing.grace(email.grace_class))
        case Throttled(daily=daily):
            return Change(state="queued", uncounted=True, due_in=DAILY_FOR if daily else THROTTLED_FOR)
        case NotTaken(code=code, at_once=at_once):
            return Change(state="queued", uncounted=True, reason=code, due_in=0.0 if at_once else NOT_TAKEN_FOR)


def prove(email: Email, subject: str) -> Change:
    """Return the change for an unsettled intent that a notification proves accepted."""
    return _sent(email, email.message_ids[0], subject, resolved=True)


def expire(email: Email, subject: str, timing: Timing) -> Change:
    """Return the change for a claim whose lease ended: the sender died, but a notification may have arrived already."""
    return prove(email, subject) if email.message_ids else settle(email, LEASE_OVER, timing)


def overdue(email: Email, subject: str, watermark: NotificationWatermark, now: datetime, timing: Timing) -> Change:
    """Return the change for an unknown intent whose grace period ended, or that has been proven in the meantime.

    Unless notifications kept arriving for a while after the call, the absence of this mail's own proves nothing: it may
    be stuck with all the others, and a resend would be a duplicate. Pass an empty watermark if a notification that
    arrived may still be waiting to be handled. A one-time code is not held: late it is worthless, and a second one does
    no harm.
    """
    if email.message_ids:
        return prove(email, subject)
    if email.never_resend:
        return _hold_without_resend(email, now, timing)
    if not email.one_time_code and not _notifications_arrive(email, watermark, now, timing):
        if now - (email.claimed_at or now) <= timedelta(seconds=timing.give_up_after):
            return Change(state="unknown", reason=HELD, due_in=timing.recheck_after)
        return fail(email, "UNRESOLVED", "No response from SES, and no notification about any mail since then")
    if email.attempt >= MAX_ATTEMPTS:
        return fail(email, "UNRESOLVED", f"No response from SES and no notification after {email.attempt} attempts")
    return Change(state="queued", event=EmailRequeued(**email.ids, attempt=email.attempt + 1))


def _hold_without_resend(email: Email, now: datetime, timing: Timing) -> Change:
    """Hold the mail until proof arrives or somebody resends it; when the holding period ends, it has failed."""
    left = timing.give_up_after - (now - (email.claimed_at or now)).total_seconds()
    if left > 0:
        return Change(state="unknown", reason="its campaign never sends a mail twice", due_in=left)
    return fail(email, "UNRESOLVED", "No response from SES and no notification; its campaign never sends a mail twice")


def fail(email: Email, code: str, reason: str) -> Change:
    reason = without_addresses(reason)  # SES names the addresses that it does not accept
    return Change(state="failed", reason=f"{code}: {reason}", event=EmailFailed(**email.ids, code=code, reason=reason))


def _sent(email: Email, message_id: str, subject: str, resolved: bool = False) -> Change:
    event = EmailSent(
        **email.ids, message_id=message_id, attempt=max(1, email.attempt), subject=subject, resolved=resolved
    )
    return Change(state="sent", event=event, message_id=message_id, resolved=resolved)


def _notifications_arrive(email: Email, watermark: NotificationWatermark, now: datetime, timing: Timing) -> bool:
    """Return whether this mail's own notification would have arrived by now.

    SNS repeats a delivery that we could not take only seconds later, and newer notifications overtake it. So as long as
    some arrive late, this mail's own may be among those still to come.
    """
    if watermark.at is None or email.claimed_at is None:
        return False
    on_time = watermark.late_at is None or now - watermark.late_at >= timedelta(seconds=timing.on_time_for)
    return on_time and watermark.at >= email.claimed_at + timedelta(seconds=timing.evidence(email.grace_class))
