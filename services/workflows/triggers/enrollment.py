"""What workflows does when something happens to a contact: every enabled workflow of that event takes the contact in.

Most events trigger nothing. Whether any of a batch does is one query. Those who are let in go on at once, as far as
they get without anybody being asked; from there timers take them on.
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
from services.workflows.executions.advance import follow_up
from services.workflows.executions.execution import (
    INITIAL,
    Advance,
    Enter,
    Execution,
    decide,
    evolve,
)
from services.workflows.executions.read_models import execution as executions
from services.workflows.executions.read_models.execution import Entries, Place
from services.workflows.triggers.trigger_events import Trigger, trigger_of


class Arrival(msgspec.Struct, frozen=True):
    """A contact to whom an event happened, at the door of one of the event's workflows."""

    envelope: Envelope[Any]
    trigger: Trigger
    listener: Listener

    @property
    def execution_id(self) -> UUID:
        """The same for the same event and workflow, so that it cannot begin twice."""
        return uuid5(self.listener.workflow_id, str(self.envelope.id))

    @property
    def execution(self) -> tuple[UUID, UUID]:
        return self.envelope.project, self.execution_id

    @property
    def workflow(self) -> tuple[UUID, UUID]:
        return self.envelope.project, self.listener.workflow_id

    @property
    def place(self) -> Place:
        return self.envelope.project, self.listener.workflow_id, self.trigger.contact_id

    def entering(self, so_far: Entries) -> Enter:
        return Enter(
            execution_id=self.execution_id,
            workflow_id=self.listener.workflow_id,
            trigger_step_id=self.listener.trigger_step_id,
            contact_id=self.trigger.contact_id,
            email=self.trigger.email,
            trigger_event=self.listener.event_name,
            context=self.trigger.context,
            allow_reentry=self.listener.allow_reentry,
            entries=so_far.count,
            active=so_far.active,
        )


async def start_executions(unit: UnitOfWork, envelopes: Sequence[Envelope[Event]]) -> None:
    """Start what the events trigger; an event starts each workflow once, however often it comes."""
    arrivals = await _arrivals(unit, envelopes)
    if not arrivals:
        return
    begun = await executions.load(unit.conn, {arrival.execution for arrival in arrivals})
    entries = await executions.entries(unit.conn, {arrival.place for arrival in arrivals})
    graphs = await workflows.graphs(unit.conn, {arrival.workflow for arrival in arrivals})
    for arrival in arrivals:
        if arrival.execution not in begun:
            await _take_in(unit, arrival, graphs[arrival.workflow], entries)


async def _arrivals(unit: UnitOfWork, envelopes: Sequence[Envelope[Event]]) -> list[Arrival]:
    happened = [(envelope, trigger) for envelope in envelopes if (trigger := trigger_of(envelope.message))]
    names = {(envelope.project, name) for envelope, trigger in happened for name in trigger.names}
    listeners = await workflows.listeners(unit.conn, names) if names else {}
    return [
        Arrival(envelope, trigger, listener)
        for envelope, trigger in (happened if listeners else ())
        for listener in _listeners_of(envelope, trigger, listeners)
    ]


def _listeners_of(
    envelope: Envelope[Event], trigger: Trigger, listeners: dict[tuple[UUID, str], list[Listener]]
) -> Iterator[Listener]:
    for name in trigger.names:
        for listener in listeners.get((envelope.project, name), ()):
            if listener.workflow_id != trigger.workflow_id:
                yield listener


async def _take_in(unit: UnitOfWork, arrival: Arrival, graph: Graph, entries: dict[Place, Entries]) -> None:
    """Let the contact in, if the workflow does, and on; `entries` is kept true for the rest of the batch."""
    so_far = entries.get(arrival.place, Entries())
    started = decide(arrival.entering(so_far), INITIAL, unit.now)
    run = reduce(evolve, started, INITIAL)
    events = [*started, *decide(Advance(graph=graph), run, unit.now)]
    run = reduce(evolve, events, INITIAL)
    unit.append(events, arrival.envelope)
    await follow_up(unit, run, arrival.envelope)
    if isinstance(run, Execution):
        entries[arrival.place] = Entries(count=so_far.count + 1, active=run.active)
