"""One email intent: who may be sent what, and what follows from everything that can happen to it. Pure.

queued -> claimed -> sent | failed | unknown | queued again (known not taken; the attempt does not count)
queued -> suppressed | cancelled         decided again in the transaction of the claim
unknown -> sent                          a notification proves it
        -> queued | failed               after grace, while notifications are known to flow and none comes late
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected
from libs.schemas.delivery.content import Kind
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
from services.delivery.ledger.timing import Policy, Timing
from services.delivery.ses.outcome import (
    NotTaken,
    Outcome,
    Refused,
    Sent,
    Throttled,
    Unknown,
)

MAX_ATTEMPTS = 2
"""A mail that stays unknown is sent once more, and not a third time."""

THROTTLED_FOR = 1.0
DAILY_FOR = 300.0
NOT_TAKEN_FOR = 5.0
PARKED_FOR = 100 * 365.25 * 24 * 60 * 60
"""Until it is called back: see `holding`."""

UNSETTLED: tuple[EmailState, ...] = ("unknown", "queued")
"""States in which the proof that SES has the mail settles it. A claimed mail is left to its sender while it lives."""

HELD = "held until notifications flow"
"""Why a mail stays unknown after its grace: nothing shows that a proof could have come."""

LEASE_OVER = Unknown("the sender died")


class Heard(msgspec.Struct, frozen=True):
    """What shows that notifications flow: the time of the latest happening that any told of, and when one came last
    that told of something long past. Both None until there was one."""

    at: datetime | None = None
    late_at: datetime | None = None


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as it was read; `state` and `claim` say what a change to it builds on."""

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
    never_again: bool = False
    """Its campaign would rather leave somebody out than write to anybody twice."""

    @property
    def policy(self) -> Policy:
        return "ONE_TIME_CODE" if self.one_time_code else self.source

    @property
    def ids(self) -> dict[str, Any]:
        """What every event about it says."""
        return {
            "email_id": self.id,
            "contact_id": self.contact_id,
            "source": self.source,
            "campaign_id": self.campaign_id,
            "workflow_id": self.workflow_id,
            "execution_id": self.execution_id,
        }


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of an intent. A change of state that lasts has its event.

    `due_in` is when to look at it next, in seconds; `uncounted` takes the attempt back, because SES had no part in it.
    """

    state: EmailState
    event: EmailEvent | None = None
    due_in: float = 0.0
    uncounted: bool = False
    message_id: str | None = None
    resolved: bool = False
    reason: str | None = None


def suppression(
    kind: Kind, source: Source, subscribed: bool, listed: SuppressionReason | None
) -> SuppressionReason | None:
    """Why this person must not get this mail; None if they may.

    `listed` is what their mailbox said before, or that somebody put the address on the list. Nothing goes to an address
    that does not exist or was put there; someone who complained
    or unsubscribed gets what they asked for and nothing else.
    """
    if listed in ("bounced", "erased", "listed", "rule"):
        return listed
    if kind == "TRANSACTIONAL" or (kind == "HEADLESS" and source == "TRANSACTIONAL"):
        return None
    if listed:
        return listed
    return None if subscribed else "unsubscribed"


def suppress(email: Email, reason: SuppressionReason, rule: str | None = None) -> Change:
    event = EmailSuppressed(**email.ids, reason=reason, rule=rule)
    return Change(state="suppressed", reason=f"{reason}: {rule}" if rule else reason, event=event, uncounted=True)


def cancel(email: Email) -> Change:
    """The campaign was cancelled before SES was called for this mail."""
    event = EmailCancelled(**email.ids, reason="campaign_cancelled")
    return Change(state="cancelled", reason=event.reason, event=event, uncounted=email.state == "claimed")


def cancel_queued(email: Email) -> Change | None:
    """Somebody wants this mail not to be sent; None if it is cancelled already. Raises Rejected if it is too late."""
    if email.state == "cancelled":
        return None
    if email.state != "queued":
        raise Rejected("EMAIL_NOT_CANCELLABLE", f"Only a queued mail can be cancelled; this one is {email.state}.")
    if email.attempt:
        raise Rejected("EMAIL_NOT_CANCELLABLE", "Amazon SES may have it already: it waits to be sent once more.")
    event = EmailCancelled(**email.ids, reason="requested")
    return Change(state="cancelled", reason=event.reason, event=event)


def resend_unknown(email: Email) -> Change:
    """An operator takes it upon himself that the mail may arrive twice. Raises Rejected if its outcome is known."""
    if email.state == "sent" or email.message_ids:
        raise Rejected("EMAIL_ALREADY_SENT", "Amazon SES has this mail.")
    if email.state != "unknown":
        raise Rejected(
            "EMAIL_NOT_UNKNOWN", f"Only a mail of unknown outcome can be sent again; this one is {email.state}."
        )
    event = EmailRequeued(**email.ids, attempt=email.attempt + 1, by="operator")
    return Change(state="queued", event=event)


def park(email: Email) -> Change:
    """The campaign is paused: the mail waits until it is resumed."""
    return Change(state="queued", uncounted=True, due_in=PARKED_FOR)


def postpone(email: Email, seconds: float, reason: str) -> Change:
    """Its campaign may not send it yet."""
    return Change(state="queued", uncounted=True, due_in=seconds, reason=reason)


def withdraw(email: Email) -> Change:
    """What follows for a mail that waits when its contact is deleted."""
    return Change(state="suppressed", reason="erased", event=EmailSuppressed(**email.ids, reason="erased"))


def settle(email: Email, outcome: Outcome, timing: Timing) -> Change:
    """What follows from the outcome of the call."""
    match outcome:
        case Sent(message_id=message_id, subject=subject):
            return _sent(email, message_id, subject)
        case Refused(code=code, reason=reason):
            return fail(email, code, reason)
        case Unknown(cause=cause):
            event = EmailUnresolved(**email.ids, attempt=email.attempt, cause=cause)
            return Change(state="unknown", reason=cause, event=event, due_in=timing.grace(email.policy))
        case Throttled(daily=daily):
            return Change(state="queued", uncounted=True, due_in=DAILY_FOR if daily else THROTTLED_FOR)
        case NotTaken(code=code, at_once=at_once):
            return Change(state="queued", uncounted=True, reason=code, due_in=0.0 if at_once else NOT_TAKEN_FOR)


def prove(email: Email, subject: str) -> Change:
    """What follows for an unsettled intent when a notification says that SES has the mail."""
    return _sent(email, email.message_ids[0], subject, resolved=True)


def expire(email: Email, subject: str, timing: Timing) -> Change:
    """What follows when the lease of a claim is over: its sender is dead, but a notification may have come already."""
    return prove(email, subject) if email.message_ids else settle(email, LEASE_OVER, timing)


def overdue(email: Email, subject: str, heard: Heard, now: datetime, timing: Timing) -> Change:
    """What follows when grace is over, or when proof came in before the call's answer was missed.

    Nothing counts as `heard` either if a notification that came in may still be on its way. Unless they kept coming for
    a while after this call, silence proves nothing: the mail's own may be stuck with all the others, and a resend would
    be a duplicate. A one-time code does not wait for that: late it is worth nothing, and a second one does no harm.
    """
    if email.message_ids:
        return prove(email, subject)
    if email.never_again:
        return _left_alone(email, now, timing)
    if not email.one_time_code and not _flowing(email, heard, now, timing):
        if now - (email.claimed_at or now) <= timedelta(seconds=timing.give_up_after):
            return Change(state="unknown", reason=HELD, due_in=timing.recheck_after)
        return fail(email, "UNRESOLVED", "No answer from SES, and no notification of any mail since")
    if email.attempt >= MAX_ATTEMPTS:
        return fail(email, "UNRESOLVED", f"No answer from SES, and no notification, after {email.attempt} attempts")
    return Change(state="queued", event=EmailRequeued(**email.ids, attempt=email.attempt + 1))


def _left_alone(email: Email, now: datetime, timing: Timing) -> Change:
    """Proof may still come, or somebody may have it sent again; when holding ends, it has failed."""
    left = timing.give_up_after - (now - (email.claimed_at or now)).total_seconds()
    if left > 0:
        return Change(state="unknown", reason="its campaign sends nothing twice", due_in=left)
    return fail(email, "UNRESOLVED", "No answer from SES, and no notification; its campaign sends nothing twice")


def fail(email: Email, code: str, reason: str) -> Change:
    return Change(state="failed", reason=f"{code}: {reason}", event=EmailFailed(**email.ids, code=code, reason=reason))


def _sent(email: Email, message_id: str, subject: str, resolved: bool = False) -> Change:
    event = EmailSent(
        **email.ids, message_id=message_id, attempt=max(1, email.attempt), subject=subject, resolved=resolved
    )
    return Change(state="sent", event=event, message_id=message_id, resolved=resolved)


def _flowing(email: Email, heard: Heard, now: datetime, timing: Timing) -> bool:
    """Whether this mail's own notification would have come. One that we could not take comes again seconds later, and
    newer ones pass it by: so as long as some come late, this mail's own may be among those that are still to come."""
    if heard.at is None or email.claimed_at is None:
        return False
    calm = heard.late_at is None or now - heard.late_at >= timedelta(seconds=timing.calm)
    return calm and heard.at >= email.claimed_at + timedelta(seconds=timing.evidence(email.policy))
