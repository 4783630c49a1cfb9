"""Advancing executions: a timer advances each one when it is due.

All look-ups for the executions that are due are made first, at the same time; then each execution is decided. If
contacts does not answer, this raises and the timers are retried later.
"""

import asyncio
from collections.abc import Sequence
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
from services.workflows.executions.execution import Advance, Execution, State, decide, evolve
from services.workflows.executions.read_models import execution as executions
from services.workflows.steps.registry import STEP_TYPES, parse_step_config
from services.workflows.steps.step_config import BranchingStep

Key = tuple[UUID, UUID]
"""Project and execution, or project and workflow."""


class AdvanceExecution(Message, tag="advance-execution", frozen=True, kw_only=True):
    """The timer of an execution, which has one at a time: due now while it runs, or when its delay ends."""

    execution_id: UUID


class ExecutionAdvancer:
    """Handles the timers that are due."""

    def __init__(self, contacts: ContactsClient) -> None:
        self._contacts = contacts

    async def __call__(self, unit: UnitOfWork, envelopes: Sequence[Envelope[AdvanceExecution]]) -> None:
        due = {(e.project, e.message.execution_id): e for e in envelopes}
        loaded = await executions.load(unit.conn, due.keys())
        workflow_keys = {(key[0], execution.workflow_id) for key, (execution, _) in loaded.items()}
        graphs = await workflows.graphs(unit.conn, workflow_keys)
        advances = await self._advances(loaded, graphs, unit.now)
        for key, (execution, version) in loaded.items():
            await _advance(unit, due[key], execution, version, advances[key])

    async def _advances(
        self, loaded: dict[Key, tuple[Execution, int]], graphs: dict[Key, Graph], now: datetime
    ) -> dict[Key, Advance]:
        """Look up what each execution needs to advance."""
        async with asyncio.TaskGroup() as tasks:
            lookups = {
                key: tasks.create_task(
                    self._look_up(key[0], execution, graphs.get((key[0], execution.workflow_id), Graph()), now)
                )
                for key, (execution, _) in loaded.items()
            }
        return {key: task.result() for key, task in lookups.items()}

    async def _look_up(self, project: UUID, execution: Execution, graph: Graph, now: datetime) -> Advance:
        if not execution.active:
            return Advance(graph=graph)
        try:
            email = await self._address(project, execution, graph)
            branch = await self._branch(project, execution, graph, now)
        except Rejected as error:
            return Advance(graph=graph, failure=error.message)
        return Advance(graph=graph, branch=branch, email=email)

    async def _address(self, project: UUID, execution: Execution, graph: Graph) -> str | None:
        """Return the contact's address as it is now, if a step that is still to come may need it."""
        if not (execution.step_id and graph.needs_address_from(execution.step_id)):
            return None
        return await self._contacts.address_of(project, execution.contact_id)

    async def _branch(self, project: UUID, execution: Execution, graph: Graph, now: datetime) -> str | None:
        step = graph.step(execution.step_id)
        if step is None or not issubclass(STEP_TYPES[step.type_], BranchingStep):
            return None
        config = parse_step_config(step)
        assert isinstance(config, BranchingStep)

        async def match(condition: Condition) -> bool:
            return await self._contacts.match(project, execution.contact_id, condition)

        return await config.choose_branch(execution.context, now, match)


async def schedule_advance(unit: UnitOfWork, execution: State, cause: Cause) -> None:
    """Set the execution's timer, unless it has ended or not started."""
    if isinstance(execution, Execution) and (due := execution.due(unit.now)):
        await unit.schedule(str(execution.id), due, AdvanceExecution(execution_id=execution.id), cause)


async def _advance(
    unit: UnitOfWork, envelope: Envelope[AdvanceExecution], execution: Execution, version: int, advance: Advance
) -> None:
    unit.expect(f"execution-{execution.id}", version)
    events = decide(advance, execution, unit.now)
    unit.append(events, envelope)
    await schedule_advance(unit, reduce(evolve, events, cast(State, execution)), envelope)
