"""What is known of one mail: a decider whose outcome does not depend on the order in which the news comes. Pure.

Every happening is one fact; that each is told here only once is seen to before (see archive.py). What is known only
grows: times are the earliest of their kind, counts add up. So two shares of knowledge can be put together in any order.
The one thing that must depend on the order is which fact is called the first of its kind: exactly one is.
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


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """`message_ids` are SES's: more than one if the mail was sent more than once."""

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


INITIAL = Known()


def decide(notice: Notice, known: Known) -> list[FeedbackEvent]:
    """The facts that the notice adds. That SES has the mail is told once for each of its ids."""
    events: list[FeedbackEvent] = []
    if notice.confirmed.message_id not in known.message_ids:
        events.append(notice.confirmed)
    for fact in notice.facts:
        events.append(_marked(fact, known))
        known = evolve(known, events[-1])
    return events


def status_of(known: Known) -> FeedbackStatus:
    """How far the mail has come. What is known only grows, so this never goes back."""
    ranks: tuple[tuple[datetime | None, FeedbackStatus], ...] = (
        (known.complained_at, "COMPLAINED"),
        (known.bounced_at, "BOUNCED"),
        (known.clicked_at, "CLICKED"),
        (known.opened_at, "OPENED"),
        (known.delivered_at, "DELIVERED"),
        (known.confirmed_at, "SENT"),
    )
    return next((status for at, status in ranks if at), "UNKNOWN")


def _marked(fact: FeedbackEvent, known: Known) -> FeedbackEvent:
    """The fact, saying whether it is the first of its kind."""
    match fact:
        case EmailDelivered():
            return replace(fact, first=known.delivered_at is None)
        case EmailOpened(machine=machine):
            return replace(fact, first=not machine and known.opened_at is None)
        case EmailClicked(machine=machine):
            return replace(fact, first=not machine and known.clicked_at is None)
        case EmailBounced(bounce_type="Transient"):
            return replace(fact, first=known.soft_bounced_at is None)
        case EmailBounced():
            return replace(fact, first=known.bounced_at is None)
        case EmailComplained():
            return replace(fact, first=known.complained_at is None)
    return fact


def evolve(known: Known, event: FeedbackEvent) -> Known:
    match event:
        case EmailConfirmed(message_id=message_id, at=at):
            ids = known.message_ids | {message_id}
            return replace(known, message_ids=ids, confirmed_at=_earliest(known.confirmed_at, at))
        case EmailDelivered(at=at):
            return replace(known, delivered_at=_earliest(known.delivered_at, at))
        case EmailOpened(machine=True):
            return replace(known, machine_opens=known.machine_opens + 1)
        case EmailOpened(at=at):
            return replace(known, opens=known.opens + 1, opened_at=_earliest(known.opened_at, at))
        case EmailClicked(machine=True):
            return replace(known, machine_clicks=known.machine_clicks + 1)
        case EmailClicked(at=at):
            return replace(known, clicks=known.clicks + 1, clicked_at=_earliest(known.clicked_at, at))
        case EmailBounced(bounce_type="Transient", at=at):
            return replace(known, soft_bounced_at=_earliest(known.soft_bounced_at, at))
        case EmailBounced(at=at):
            return replace(known, bounced_at=_earliest(known.bounced_at, at))
        case EmailComplained(at=at):
            return replace(known, complained_at=_earliest(known.complained_at, at))
        case EmailDelayed(at=at):
            return replace(known, delayed_at=_earliest(known.delayed_at, at))
        case EmailRejected(at=at):
            return replace(known, rejected_at=_earliest(known.rejected_at, at))
    raise AssertionError(f"evolve() has no case for {event!r}")


def _earliest(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)
