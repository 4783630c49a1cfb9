"""When a project's reputation is in danger, and what is done: a decider over its figures. Pure.

The limits are those that Plunk enforces. A share counts only if enough was sent to speak of shares, and enough came
back; a project that is new is judged by counts as well, because its shares say little yet.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.schemas.feedback.reputation import (
    Finding,
    Health,
    Level,
    Metric,
    PauseReason,
    PauseSending,
    ReputationCounts,
    ReputationEvent,
    ReputationWarned,
    ResumeSending,
    SendingPaused,
    SendingResumed,
    Standing,
)

ENOUGH_SENT = 100
NEW_FOR = timedelta(days=30)
WARN_AGAIN = timedelta(days=1)


class Limit(msgspec.Struct, frozen=True):
    """Warning and critical values, and how many bounces or complaints there must be for them to count."""

    warning: float
    critical: float
    least_for_warning: int = 0
    least_for_critical: int = 0


# Percent of what was sent.
RATES: dict[Metric, Limit] = {
    "bounce7Day": Limit(5.0, 10.0, 5, 10),
    "bounceAllTime": Limit(4.0, 8.0, 5, 10),
    "complaint7Day": Limit(0.075, 0.15, 3, 5),
    "complaintAllTime": Limit(0.03, 0.12, 3, 5),
}
# Bounces or complaints of a new project.
COUNTS: dict[Metric, Limit] = {
    "bounce24Hour": Limit(10, 25),
    "bounce7Day": Limit(25, 50),
    "complaint24Hour": Limit(3, 7),
    "complaint7Day": Limit(10, 20),
}


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a project's mail. `since` is the hour of its first mail; `hour` is the present hour's counts."""

    since: datetime | None = None
    hour: ReputationCounts = ReputationCounts()
    day: ReputationCounts = ReputationCounts()
    week: ReputationCounts = ReputationCounts()
    ever: ReputationCounts = ReputationCounts()


class Reputation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a project stands. `figures` are looked up for each decision, the rest follows from the events."""

    figures: Figures = Figures()
    standing: Standing = "HEALTHY"
    reason: PauseReason | None = None
    warned_at: datetime | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None


class Judge(msgspec.Struct, frozen=True):
    """Something bad was heard of a project's mail. Without `pausing` all that comes of it is a warning."""

    pausing: bool


INITIAL = Reputation()


def decide(
    command: Judge | PauseSending | ResumeSending, project: UUID, reputation: Reputation, now: datetime
) -> list[ReputationEvent]:
    """What follows for the project. What is already so is no event."""
    paused = reputation.standing == "PAUSED"
    match command:
        case Judge(pausing=pausing):
            return _judge(project, reputation, now, pausing) if not paused else []
        case PauseSending(by=by, note=note) if not paused:
            return [SendingPaused(project_id=project, reason="MANUAL", by=by, note=note)]
        case ResumeSending(by=by, note=note) if paused:
            return [SendingResumed(project_id=project, forgiven=reputation.figures.hour, by=by, note=note)]
    return []


def _judge(project: UUID, reputation: Reputation, now: datetime, pausing: bool) -> list[ReputationEvent]:
    found = findings(reputation.figures, now)
    if pausing and any(finding.level == "critical" for finding in found):
        return [SendingPaused(project_id=project, reason="EMAIL_REPUTATION", findings=found)]
    warned = reputation.warned_at is not None and now - reputation.warned_at < WARN_AGAIN
    return [ReputationWarned(project_id=project, findings=found)] if found and not warned else []


def evolve(reputation: Reputation, event: ReputationEvent, at: datetime) -> Reputation:
    match event:
        case ReputationWarned():
            return replace(reputation, standing="WARNED", warned_at=at)
        case SendingPaused(reason=reason):
            return replace(reputation, standing="PAUSED", reason=reason, paused_at=at)
        case SendingResumed():
            return replace(reputation, standing="HEALTHY", reason=None, warned_at=None, resumed_at=at)
    raise AssertionError(f"evolve() has no case for {event!r}")


def findings(figures: Figures, now: datetime) -> list[Finding]:
    """Every limit that is exceeded, by the worse of its two levels."""
    found = [finding for metric, limit in RATES.items() for finding in _rate(metric, limit, figures)]
    if is_new(figures, now):
        found += [finding for metric, limit in COUNTS.items() for finding in _count(metric, limit, figures)]
    return found


def level_of(metric: Metric, found: Sequence[Finding]) -> Health:
    levels = {finding.level for finding in found if finding.metric == metric and not finding.is_count}
    return "critical" if "critical" in levels else "warning" if levels else "healthy"


def is_new(figures: Figures, now: datetime) -> bool:
    return figures.since is not None and now - figures.since < NEW_FOR


def percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _rate(metric: Metric, limit: Limit, figures: Figures) -> Iterator[Finding]:
    window, part = _seen(metric, figures)
    share = percent(part, window.sent)
    levels: tuple[tuple[Level, float, int], ...] = (
        ("critical", limit.critical, limit.least_for_critical),
        ("warning", limit.warning, limit.least_for_warning),
    )
    for level, most, least in levels:
        if window.sent >= ENOUGH_SENT and share > most and part >= least:
            yield Finding(metric=metric, level=level, value=share, limit=most, sent=window.sent)
            return


def _count(metric: Metric, limit: Limit, figures: Figures) -> Iterator[Finding]:
    window, part = _seen(metric, figures)
    levels: tuple[tuple[Level, float], ...] = (("critical", limit.critical), ("warning", limit.warning))
    for level, most in levels:
        if window.sent >= ENOUGH_SENT and part > most:
            yield Finding(metric=metric, level=level, value=part, limit=most, sent=window.sent, is_count=True)
            return


def _seen(metric: Metric, figures: Figures) -> tuple[ReputationCounts, int]:
    """The window that a metric is about, and what it counts there."""
    window = figures.day if "24Hour" in metric else figures.week if "7Day" in metric else figures.ever
    return window, window.bounced if metric.startswith("bounce") else window.complained
