"""A project's reputation in the shape of the API."""

from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.schemas.feedback.reputation import (
    ReputationCounts,
    ReputationLevels,
    ReputationStatus,
    ReputationView,
    WindowView,
)
from services.feedback.reputation.reputation import Reputation, findings, is_new, level_of, percent


def reputation_view(project: UUID, reputation: Reputation, now: datetime) -> ReputationView:
    figures, exceeded = reputation.figures, findings(reputation.figures, now)
    violations = [finding for finding in exceeded if finding.level == "critical"]
    return ReputationView(
        status=ReputationStatus(
            project_id=project,
            is_healthy=not exceeded,
            should_disable=bool(violations),
            twenty_four_hour=_window(figures.day),
            seven_day=_window(figures.week),
            all_time=_window(figures.ever),
            is_new_project=is_new(figures, now),
            violations=violations,
            warnings=[finding for finding in exceeded if finding.level == "warning"],
        ),
        levels=ReputationLevels(
            bounce_7_day=level_of("bounce7Day", exceeded),
            bounce_all_time=level_of("bounceAllTime", exceeded),
            complaint_7_day=level_of("complaint7Day", exceeded),
            complaint_all_time=level_of("complaintAllTime", exceeded),
        ),
        is_disabled=reputation.standing == "PAUSED",
        standing=reputation.standing,
        reason=reputation.reason,
        warned_at=_instant(reputation.warned_at),
        paused_at=_instant(reputation.paused_at),
        resumed_at=_instant(reputation.resumed_at),
    )


def _window(counts: ReputationCounts) -> WindowView:
    return WindowView(
        total=counts.sent,
        bounces=counts.bounced,
        complaints=counts.complained,
        bounce_rate=percent(counts.bounced, counts.sent),
        complaint_rate=percent(counts.complained, counts.sent),
    )


def _instant(at: datetime | None) -> str | None:
    return iso(at) if at else None
