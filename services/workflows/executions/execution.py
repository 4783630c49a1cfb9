"""The process manager of an execution: one contact going through one workflow. Pure.

    RUNNING -> WAITING (a delay) -> RUNNING -> COMPLETED | EXITED | FAILED

`Enroll` starts it. `Advance` takes it as far as it can go without another look-up: to a delay, to a step whose branch
must be chosen before the next `Advance`, or to its end. Both may arrive late or twice, which changes nothing.
"""

from datetime import datetime
from typing import TypeAlias, assert_never, get_args
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.base import Data
from libs.schemas.workflows import (
    DelayStarted,
    ExecutionCompleted,
    ExecutionExited,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionStatus,
    Step,
    StepCompleted,
    StepEvent,
)
from services.workflows.definitions.graph import Graph
from services.workflows.steps.registry import STEP_EVENTS, parse_step_config
from services.workflows.steps.step_config import StepResult, StepVisit


class Absent(msgspec.Struct, frozen=True):
    """The execution has not started."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """`step_id` is the step to take next or, while WAITING, the delay that ends at `until`."""

    id: UUID
    workflow_id: UUID
    contact_id: UUID
    email: str
    trigger_event: str
    context: Data
    trusted: bool = True
    entry: int
    status: ExecutionStatus = "RUNNING"
    step_id: UUID | None = None
    until: datetime | None = None
    reason: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def active(self) -> bool:
        return self.status in ("RUNNING", "WAITING")

    def due(self, now: datetime) -> datetime | None:
        """Return when the execution must be advanced next, or None if it has ended."""
        return {"RUNNING": now, "WAITING": self.until}.get(self.status)


class Enroll(msgspec.Struct, frozen=True, kw_only=True):
    """Start an execution for a contact, unless an earlier one blocks it.

    `earlier` is how many executions of the workflow the contact has had; `active` says whether one has not ended.
    """

    execution_id: UUID
    workflow_id: UUID
    trigger_step_id: UUID
    contact_id: UUID
    email: str
    trigger_event: str
    context: Data
    trusted: bool = True
    allow_reentry: bool
    earlier: int
    active: bool


class Advance(msgspec.Struct, frozen=True, kw_only=True):
    """Advance the execution. All fields except `graph` are the results of look-ups for it.

    `branch` is the branch to take from the current step, `email` the contact's address now, which may have changed
    since the trigger, and `failure` the reason why one of them could not be found.
    """

    graph: Graph
    branch: str | None = None
    email: str | None = None
    failure: str | None = None


State: TypeAlias = Absent | Execution
Command: TypeAlias = Enroll | Advance
ProgressEvent: TypeAlias = StepCompleted | ExecutionCompleted | ExecutionExited | ExecutionFailed | StepEvent
Event: TypeAlias = ExecutionStarted | ProgressEvent

INITIAL: State = Absent()
EVENTS: tuple[type[Event], ...] = (*(kind for kind in get_args(Event) if kind is not StepEvent), *STEP_EVENTS)
"""Every kind of event of an execution, those of the step types included."""


def decide(command: Command, state: State, now: datetime) -> list[Event]:
    match command, state:
        case Enroll(), Absent():
            return [] if is_blocked(command) else [_started(command)]
        case Advance(), Execution(active=True):
            return _advance(command, state, now)
        case _:
            return []


def is_blocked(enroll: Enroll) -> bool:
    """Return whether an earlier execution blocks this one: any without re-entry, an active one with it."""
    return enroll.active or (enroll.earlier > 0 and not enroll.allow_reentry)


def evolve(state: State, event: Event) -> State:
    if isinstance(event, ExecutionStarted):
        return Execution(
            id=event.execution_id,
            workflow_id=event.workflow_id,
            contact_id=event.contact_id,
            email=event.email,
            trigger_event=event.trigger_event,
            context=event.context,
            trusted=event.trusted,
            entry=event.entry,
            step_id=event.step_id,
        )
    return state if isinstance(state, Absent) else _evolve(state, event)


def _evolve(execution: Execution, event: ProgressEvent) -> Execution:
    match event:
        case StepCompleted(next_step_id=next_step_id):
            return replace(execution, status="RUNNING", step_id=next_step_id, until=None)
        case DelayStarted(until=until):
            return replace(execution, status="WAITING", until=until)
        case StepEvent():
            return execution
        case ExecutionCompleted():
            return replace(execution, status="COMPLETED", step_id=None)
        case ExecutionExited(reason=reason):
            return replace(execution, status="EXITED", step_id=None, reason=reason)
        case ExecutionFailed(reason=reason):
            return replace(execution, status="FAILED", until=None, reason=reason)
        case _:
            assert_never(event)


def _started(enroll: Enroll) -> ExecutionStarted:
    return ExecutionStarted(
        execution_id=enroll.execution_id,
        workflow_id=enroll.workflow_id,
        contact_id=enroll.contact_id,
        email=enroll.email,
        trigger_event=enroll.trigger_event,
        context=enroll.context,
        trusted=enroll.trusted,
        step_id=enroll.trigger_step_id,
        entry=enroll.earlier,
    )


def _advance(advance: Advance, execution: Execution, now: datetime) -> list[Event]:
    """Take step after step, until one has no events yet. A graph has no loops, so this ends."""
    events: list[Event] = []
    while execution.active:
        events_of_step = _take_step(advance, execution, now)
        if not events_of_step:
            break
        for event in events_of_step:
            execution = _evolve(execution, event)
        events += events_of_step
        advance = replace(advance, branch=None)
    return events


def _take_step(advance: Advance, execution: Execution, now: datetime) -> list[ProgressEvent]:
    """Return the events of the current step: none while it waits for its time or for a look-up."""
    if advance.failure is not None:
        return [_failed(execution, advance.failure)]
    step = advance.graph.step(execution.step_id)
    if step is None:
        return [_failed(execution, "Workflow step not found")]
    try:
        config = parse_step_config(step)
    except Rejected as error:
        return [_failed(execution, f"{step.type_} step is not configured: {error.errors[0].field}")]
    result = config.reach(_visit(advance, execution, step, now))
    if result.output is None:
        return [*result.events]
    return [*result.events, *_completed(execution, step, result, advance.graph)]


def _completed(execution: Execution, step: Step, result: StepResult, graph: Graph) -> list[ProgressEvent]:
    """Return that the step is completed, and that the execution has ended if no step follows."""
    ids = _ids(execution)
    assert result.output is not None
    completed = StepCompleted(**ids, step_id=step.id, output=result.output, branch=result.branch)
    if result.exit_reason is not None:
        return [completed, ExecutionExited(**ids, reason=result.exit_reason)]
    if next_step_id := graph.next_after(step.id, result.branch):
        return [replace(completed, next_step_id=next_step_id)]
    return [completed, ExecutionCompleted(**ids)]


def _visit(advance: Advance, execution: Execution, step: Step, now: datetime) -> StepVisit:
    return StepVisit(
        **_ids(execution),
        step=step,
        now=now,
        trigger_event=execution.trigger_event,
        context=execution.context,
        trusted=execution.trusted,
        email=advance.email or execution.email or None,
        until=execution.until,
        branch=advance.branch,
    )


def _failed(execution: Execution, reason: str) -> ExecutionFailed:
    return ExecutionFailed(**_ids(execution), step_id=execution.step_id, reason=reason)


def _ids(execution: Execution) -> dict[str, UUID]:
    """Return the fields that every event of an execution has."""
    return {
        "execution_id": execution.id,
        "workflow_id": execution.workflow_id,
        "contact_id": execution.contact_id,
    }
