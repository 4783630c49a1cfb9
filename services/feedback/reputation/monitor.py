"""Guards each project's reputation: judges it when mail bounces or is complained about, and does as operators say.

What it decides is an event in the transaction of the facts that led to it, so neither is ever without the other.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from libs.kernel.instants import iso
from libs.runtime.eventstore.aggregate import accepted
from libs.runtime.eventstore.codec import stream_of, tag_of
from libs.runtime.eventstore.envelope import Cause, Envelope, Origin
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.feedback.reputation import (
    GetReputation,
    PauseSending,
    ReputationCounts,
    ReputationEvent,
    ReputationLevels,
    ReputationStatus,
    ReputationView,
    ResumeSending,
    WindowView,
)
from services.feedback.ingest import metrics
from services.feedback.reputation.read_models import reputation as reputations
from services.feedback.reputation.reputation import (
    Judge,
    Reputation,
    decide,
    evolve,
    findings,
    is_new,
    level_of,
    percent,
)

log = structlog.get_logger()


async def judge(unit: UnitOfWork, projects: Collection[UUID], *, pausing: bool) -> None:
    """Say what follows from the figures, which must include what this unit has appended."""
    await unit.flush()
    for project, (found, version) in (await reputations.load(unit.conn, projects, unit.now)).items():
        events = decide(Judge(pausing), project, found, unit.now)
        _append(unit, events, version, Origin(project=project))


async def obey(unit: UnitOfWork, envelopes: Sequence[Envelope[PauseSending | ResumeSending]]) -> Sequence[bytes]:
    """Pause or resume, as an operator says. What is so already stays so."""
    known = await reputations.load(unit.conn, {envelope.project for envelope in envelopes}, unit.now)
    answers = []
    for envelope in envelopes:
        found, version = known[envelope.project]
        events = decide(envelope.message, envelope.project, found, unit.now)
        _append(unit, events, version, envelope)
        for event in events:
            found = evolve(found, event, unit.now)
        known[envelope.project] = found, version
        answers.append(accepted(view(envelope.project, found, unit.now)))
    return answers


async def get_reputation(conn: Connection, project: UUID, _: GetReputation) -> ReputationView:
    now: datetime = await conn.fetchval("select now()")
    found, _version = (await reputations.load(conn, [project], now))[project]
    return view(project, found, now)


def view(project: UUID, found: Reputation, now: datetime) -> ReputationView:
    """What the API shows of it."""
    figures, exceeded = found.figures, findings(found.figures, now)
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
        is_disabled=found.standing == "PAUSED",
        standing=found.standing,
        reason=found.reason,
        warned_at=_instant(found.warned_at),
        paused_at=_instant(found.paused_at),
        resumed_at=_instant(found.resumed_at),
    )


def _append(unit: UnitOfWork, events: Sequence[ReputationEvent], version: int, cause: Cause) -> None:
    for event in events:
        unit.expect(stream_of(event), version)
        metrics.DECISIONS.labels(tag_of(type(event))).inc()
        log.warning("reputation.decided", project=str(cause.project), decision=tag_of(type(event)))
    unit.append(events, cause)


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
