"""What is known of one mail: a decider whose outcome does not depend on the order of the notifications. Pure.

The archive makes sure that each fact arrives here once. What is known only grows: times are the earliest of their kind,
counts add up, so two parts of it can be combined in any order. The one thing that has to depend on the order is which
fact is called the first of its kind: exactly one is.
"""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelayed,
    EmailDelivered,
    EmailOpened,
    EmailRejected,
    FeedbackEvent,
    FeedbackStatus,
)
from services.feedback.notifications.notice import Notice


class EmailFeedbackState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a mail. `message_ids` are SES's: more than one if the mail was sent more than once."""

    message_ids: frozenset[str] = frozenset()
    confirmed_at: datetime | None = None
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    bounced_at: datetime | None = None
    soft_bounced_at: datetime | None = None
    complained_at: datetime | None = None
    delayed_at: datetime | None = None
    rejected_at: datetime | None = None
    opens: int = 0
    clicks: int = 0
    machine_opens: int = 0
    machine_clicks: int = 0


INITIAL = EmailFeedbackState()


def decide(notice: Notice, state: EmailFeedbackState) -> list[FeedbackEvent]:
    """Return the facts that the notice adds. That SES has the mail is confirmed once for each of its message ids."""
    events: list[FeedbackEvent] = []
    if notice.confirmed.message_id not in state.message_ids:
        events.append(notice.confirmed)
    for fact in notice.facts:
        events.append(_with_first(fact, state))
        state = evolve(state, events[-1])
    return events


def status_of(state: EmailFeedbackState) -> FeedbackStatus:
    """Return how far the mail has come. The state only grows, so the status never goes back."""
    ranks: tuple[tuple[datetime | None, FeedbackStatus], ...] = (
        (state.complained_at, "COMPLAINED"),
        (state.bounced_at, "BOUNCED"),
        (state.clicked_at, "CLICKED"),
        (state.opened_at, "OPENED"),
        (state.delivered_at, "DELIVERED"),
        (state.confirmed_at, "SENT"),
    )
    return next((status for at, status in ranks if at), "UNKNOWN")


def _with_first(fact: FeedbackEvent, state: EmailFeedbackState) -> FeedbackEvent:
    """Return the fact with `first` saying whether it is the first of its kind."""
    match fact:
        case EmailDelivered():
            return replace(fact, first=state.delivered_at is None)
        case EmailOpened(machine=machine):
            return replace(fact, first=not machine and state.opened_at is None)
        case EmailClicked(machine=machine):
            return replace(fact, first=not machine and state.clicked_at is None)
        case EmailBounced(bounce_type="Transient"):
            return replace(fact, first=state.soft_bounced_at is None, again=state.bounced_at is not None)
        case EmailBounced():
            return replace(fact, first=state.bounced_at is None, again=state.soft_bounced_at is not None)
        case EmailComplained():
            return replace(fact, first=state.complained_at is None)
    return fact


def evolve(state: EmailFeedbackState, event: FeedbackEvent) -> EmailFeedbackState:
    match event:
        case EmailConfirmed(message_id=message_id, at=at):
            ids = state.message_ids | {message_id}
            return replace(state, message_ids=ids, confirmed_at=_earliest(state.confirmed_at, at))
        case EmailDelivered(at=at):
            return replace(state, delivered_at=_earliest(state.delivered_at, at))
        case EmailOpened(machine=True):
            return replace(state, machine_opens=state.machine_opens + 1)
        case EmailOpened(at=at):
            return replace(state, opens=state.opens + 1, opened_at=_earliest(state.opened_at, at))
        case EmailClicked(machine=True):
            return replace(state, machine_clicks=state.machine_clicks + 1)
        case EmailClicked(at=at):
            return replace(state, clicks=state.clicks + 1, clicked_at=_earliest(state.clicked_at, at))
        case EmailBounced(bounce_type="Transient", at=at):
            return replace(state, soft_bounced_at=_earliest(state.soft_bounced_at, at))
        case EmailBounced(at=at):
            return replace(state, bounced_at=_earliest(state.bounced_at, at))
        case EmailComplained(at=at):
            return replace(state, complained_at=_earliest(state.complained_at, at))
        case EmailDelayed(at=at):
            return replace(state, delayed_at=_earliest(state.delayed_at, at))
        case EmailRejected(at=at):
            return replace(state, rejected_at=_earliest(state.rejected_at, at))
    raise AssertionError(f"evolve() has no case for {event!r}")


def _earliest(present: datetime | None, at: datetime) -> datetime:
    return at if present is None else min(present, at)
