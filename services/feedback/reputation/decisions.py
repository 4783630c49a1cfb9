"""Decisions on reputations are appended, counted and logged here."""

from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from libs.runtime.eventstore.codec import stream_of, tag_of
from libs.runtime.eventstore.envelope import Cause
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.feedback.reputation import ReputationEvent

log = structlog.get_logger()

DECISIONS = Counter("godwit_reputation_decisions_total", "Warnings, pauses and resumptions of projects", ["decision"])


def append_decisions(unit: UnitOfWork, events: Sequence[ReputationEvent], version: int, cause: Cause) -> None:
    """Append the events to the project's stream, which is at `version`."""
    for event in events:
        unit.expect(stream_of(event), version)
        DECISIONS.labels(tag_of(type(event))).inc()
        log.warning("reputation.decided", project=str(cause.project), decision=tag_of(type(event)))
    unit.append(events, cause)
