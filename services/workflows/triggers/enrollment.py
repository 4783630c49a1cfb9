"""Enrollment: an event that triggers workflows enrolls its contact in each of them.

Most events trigger nothing, which one query finds out for a whole batch. The execution of an enrolled contact advances
at once, as far as it can without a look-up; from there timers advance it.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.clock import uuid5
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Event
from services.workflows.definitions.graph import Graph
from services.workflows.definitions.read_models import workflow as workflows
from services.workflows.definitions.read_models.workflow import Listener
from services.workflows.executions.advance import schedule_advance
from services.workflows.executions.execution import INITIAL, Advance, Enroll, Execution, decide, evolve
from services.workflows.executions.read_models import execution as executions
from services.workflows.executions.read_models.execution import EnrollmentKey, Enrollments
from services.workflows.triggers.trigger_events import TriggerEvent, trigger_event_of


class TriggerMatch(msgspec.Struct, frozen=True):
    """An event, and one of the workflows that it triggers."""

    envelope: Envelope[Any]
    event: TriggerEvent
    listener: Listener

    @property
    def execution_id(self) -> UUID:
        """The same for the same event and workflow, so that an execution cannot start twice."""
        return uuid5(self.listener.workflow_id, str(self.envelope.id))

    @property
    def execution_key(self) -> tuple[UUID, UUID]:
        return self.envelope.project, self.execution_id

    @property
    def workflow_key(self) -> tuple[UUID, UUID]:
        return self.envelope.project, self.listener.workflow_id

    @property
    def enrollment_key(self) -> EnrollmentKey:
        return self.envelope.project, self.listener.workflow_id, self.event.contact_id

    def enroll(self, earlier: Enrollments) -> Enroll:
        """Return the command that enrolls the contact."""
        return Enroll(
            execution_id=self.execution_id,
            workflow_id=self.listener.workflow_id,
            trigger_step_id=self.listener.trigger_step_id,
            contact_id=self.event.contact_id,
            email=self.event.email,
            trigger_event=self.listener.event_name,
            context=self.event.context,
            trusted=self.event.trusted,
            allow_reentry=self.listener.allow_reentry,
            earlier=earlier.count,
            active=earlier.active,
        )


async def start_executions(unit: UnitOfWork, envelopes: Sequence[Envelope[Event]]) -> None:
    """Start what the events trigger. An event starts each workflow once, however often it arrives."""
    matches = await _matches(unit, envelopes)
    if not matches:
        return
    started = await executions.load(unit.conn, {match.execution_key for match in matches})
    enrollments = await executions.enrollments(unit.conn, {match.enrollment_key for match in matches})
    graphs = await workflows.graphs(unit.conn, {match.workflow_key for match in matches})
    for match in matches:
        if match.execution_key not in started:
            await _enroll(unit, match, graphs[match.workflow_key], enrollments)


async def _matches(unit: UnitOfWork, envelopes: Sequence[Envelope[Event]]) -> list[TriggerMatch]:
    events = [(envelope, event) for envelope in envelopes if (event := trigger_event_of(envelope.message))]
    names = {(envelope.project, name) for envelope, event in events for name in event.names}
    listeners = await workflows.listeners(unit.conn, names) if names else {}
    return [
        TriggerMatch(envelope, event, listener)
        for envelope, event in (events if listeners else ())
        for listener in _listeners_of(envelope, event, listeners)
    ]


def _listeners_of(
    envelope: Envelope[Event], event: TriggerEvent, listeners: dict[tuple[UUID, str], list[Listener]]
) -> Iterator[Listener]:
    for name in event.names:
        for listener in listeners.get((envelope.project, name), ()):
            if listener.workflow_id != event.workflow_id:
                yield listener


async def _enroll(
    unit: UnitOfWork, match: TriggerMatch, graph: Graph, enrollments: dict[EnrollmentKey, Enrollments]
) -> None:
    """Enroll the contact unless that is blocked, advance the execution, and update `enrollments` for later matches."""
    earlier = enrollments.get(match.enrollment_key, Enrollments())
    started = decide(match.enroll(earlier), INITIAL, unit.now)
    execution = reduce(evolve, started, INITIAL)
    events = [*started, *decide(Advance(graph=graph), execution, unit.now)]
    execution = reduce(evolve, events, INITIAL)
    unit.append(events, match.envelope)
    await schedule_advance(unit, execution, match.envelope)
    if isinstance(execution, Execution):
        enrollments[match.enrollment_key] = Enrollments(count=earlier.count + 1, active=execution.active)
