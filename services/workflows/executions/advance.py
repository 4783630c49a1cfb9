"""Executions on their way: a timer takes each one on, when it is due.

What has to be asked is asked first, for all that are due at once; then each is decided. If contacts does not answer,
this raises, and the timers come again later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import reduce
from typing import cast
from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.envelope import Cause, Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Message
from libs.schemas.contacts.contacts import Condition
from services.workflows.definitions.graph import Graph
from services.workflows.definitions.read_models import workflow as workflows
from services.workflows.executions.contacts_client import ContactsClient
from services.workflows.executions.execution import (
    Advance,
    Execution,
    State,
    decide,
    evolve,
)
from services.workflows.executions.read_models import execution as executions
from services.workflows.steps.condition import Question, narrowed
from services.workflows.steps.registry import work_of

Key = tuple[UUID, UUID]


class AdvanceExecution(Message, tag="advance-execution", frozen=True, kw_only=True):
    """The timer of an execution. It has one at a time: for now while it runs, for the end of the delay it waits for."""

    execution_id: UUID


class ExecutionAdvancer:
    """Handles the timers that are due."""

    def __init__(self, contacts: ContactsClient) -> None:
        self._contacts = contacts

    async def __call__(self, unit: UnitOfWork, envelopes: Sequence[Envelope[AdvanceExecution]]) -> None:
        due = {(e.project, e.message.execution_id): e for e in envelopes}
        found = await executions.load(unit.conn, due.keys())
        graphs = await workflows.graphs(unit.conn, {(key[0], run.workflow_id) for key, (run, _) in found.items()})
        advances = await self._looked_up(found, graphs, unit.now)
        for key, (run, version) in found.items():
            await _advance(unit, due[key], run, version, advances[key])

    async def _looked_up(
        self, found: dict[Key, tuple[Execution, int]], graphs: dict[Key, Graph], now: datetime
    ) -> dict[Key, Advance]:
        """For each execution its graph, and the answers that its step at hand needs."""
        async with asyncio.TaskGroup() as tasks:
            asked = {
                key: tasks.create_task(self._look_up(key[0], run, graphs.get((key[0], run.workflow_id), Graph()), now))
                for key, (run, _) in found.items()
            }
        return {key: task.result() for key, task in asked.items()}

    async def _look_up(self, project: UUID, run: Execution, graph: Graph, now: datetime) -> Advance:
        if not run.active:
            return Advance(graph=graph)
        try:
            email = run.email or await self._contacts.address_of(project, run.contact_id)
            branch = await self._branch(project, run, graph, now)
        except Rejected as no:
            return Advance(graph=graph, failure=no.message)
        return Advance(graph=graph, branch=branch, email=email)

    async def _branch(self, project: UUID, run: Execution, graph: Graph, now: datetime) -> str | None:
        step = graph.step(run.step_id)
        if step is None or step.type_ != "CONDITION":
            return None
        work = work_of(step)
        assert isinstance(work, Question)

        async def match(condition: Condition) -> bool:
            return await self._contacts.match(project, run.contact_id, condition)

        return await _choose(work, run, now, match)


async def follow_up(unit: UnitOfWork, run: State, cause: Cause) -> None:
    """Set the execution's timer, unless it has ended or not begun."""
    if isinstance(run, Execution) and (due := run.due(unit.now)):
        await unit.schedule(str(run.id), due, AdvanceExecution(execution_id=run.id), cause)


async def _choose(
    question: Question, run: Execution, now: datetime, match: Callable[[Condition], Awaitable[bool]]
) -> str:
    for case in question.cases:
        verdict = narrowed(case.condition, run.context, now)
        if verdict is True or (isinstance(verdict, Condition) and await match(verdict)):
            return case.branch
    return question.otherwise


async def _advance(
    unit: UnitOfWork, envelope: Envelope[AdvanceExecution], run: Execution, version: int, advance: Advance
) -> None:
    unit.expect(f"execution-{run.id}", version)
    events = decide(advance, run, unit.now)
    unit.append(events, envelope)
    await follow_up(unit, reduce(evolve, events, cast(State, run)), envelope)
