"""The decider of reputations: when a project is warned, paused and resumed, judged by its figures. Pure.

The limits are those that Plunk enforces. A rate counts only if enough mail was sent, and enough of it bounced or was
complained about. A new project is judged by counts as well, because its rates mean little yet.
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

MIN_SENT = 100
NEW_FOR = timedelta(days=30)
WARNING_INTERVAL = timedelta(days=1)


class Limit(msgspec.Struct, frozen=True):
    """The values that must not be exceeded, and the fewest bounces or complaints for which each of them counts."""

    warning: float
    critical: float
    min_for_warning: int = 0
    min_for_critical: int = 0


# Percent of the mails sent.
RATE_LIMITS: dict[Metric, Limit] = {
    "bounce7Day": Limit(5.0, 10.0, 5, 10),
    "bounceAllTime": Limit(4.0, 8.0, 5, 10),
    "complaint7Day": Limit(0.075, 0.15, 3, 5),
    "complaintAllTime": Limit(0.03, 0.12, 3, 5),
}
# Bounces or complaints of a new project.
COUNT_LIMITS: dict[Metric, Limit] = {
    "bounce24Hour": Limit(10, 25),
    "bounce7Day": Limit(25, 50),
    "complaint24Hour": Limit(3, 7),
    "complaint7Day": Limit(10, 20),
}


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a project's mail. `since` is the hour of its first mail; `hour` has the counts of the current hour."""

    since: datetime | None = None
    hour: ReputationCounts = ReputationCounts()
    day: ReputationCounts = ReputationCounts()
    week: ReputationCounts = ReputationCounts()
    ever: ReputationCounts = ReputationCounts()


class Reputation(msgspec.Struct, frozen=True, kw_only=True):
    """The reputation of a project. `figures` are loaded for each decision; the rest follows from its events."""

    figures: Figures = Figures()
    standing: Standing = "HEALTHY"
    reason: PauseReason | None = None
    warned_at: datetime | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None


class Judge(msgspec.Struct, frozen=True):
    """Judge a project whose mail bounced or was complained about. Without `pausing` the worst outcome is a warning."""

    pausing: bool


INITIAL = Reputation()


def decide(
    command: Judge | PauseSending | ResumeSending, project: UUID, reputation: Reputation, now: datetime
) -> list[ReputationEvent]:
    """Return what follows for the project: nothing if it is already in the state that the command asks for."""
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
    recently_warned = reputation.warned_at is not None and now - reputation.warned_at < WARNING_INTERVAL
    return [ReputationWarned(project_id=project, findings=found)] if found and not recently_warned else []


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
    """Return a finding for every limit that is exceeded, with the worse of its two levels."""
    found = [finding for metric, limit in RATE_LIMITS.items() for finding in _rate(metric, limit, figures)]
    if is_new(figures, now):
        found += [finding for metric, limit in COUNT_LIMITS.items() for finding in _count(metric, limit, figures)]
    return found


def level_of(metric: Metric, found: Sequence[Finding]) -> Health:
    levels = {finding.level for finding in found if finding.metric == metric and not finding.is_count}
    return "critical" if "critical" in levels else "warning" if levels else "healthy"


def is_new(figures: Figures, now: datetime) -> bool:
    return figures.since is not None and now - figures.since < NEW_FOR


def percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def _rate(metric: Metric, limit: Limit, figures: Figures) -> Iterator[Finding]:
    window, part = _counts_for(metric, figures)
    rate = percent(part, window.sent)
    levels: tuple[tuple[Level, float, int], ...] = (
        ("critical", limit.critical, limit.min_for_critical),
        ("warning", limit.warning, limit.min_for_warning),
    )
    for level, maximum, minimum in levels:
        if window.sent >= MIN_SENT and rate > maximum and part >= minimum:
            yield Finding(metric=metric, level=level, value=rate, limit=maximum, sent=window.sent)
            return


def _count(metric: Metric, limit: Limit, figures: Figures) -> Iterator[Finding]:
    window, part = _counts_for(metric, figures)
    levels: tuple[tuple[Level, float], ...] = (("critical", limit.critical), ("warning", limit.warning))
    for level, maximum in levels:
        if window.sent >= MIN_SENT and part > maximum:
            yield Finding(metric=metric, level=level, value=part, limit=maximum, sent=window.sent, is_count=True)
            return


def _counts_for(metric: Metric, figures: Figures) -> tuple[ReputationCounts, int]:
    """Return the window of the metric, and the bounces or complaints that it counts there."""
    window = figures.day if "24Hour" in metric else figures.week if "7Day" in metric else figures.ever
    return window, window.bounced if metric.startswith("bounce") else window.complained
