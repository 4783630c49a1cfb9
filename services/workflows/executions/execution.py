"""The process manager: one contact's way through one workflow. Pure.

    RUNNING -> WAITING (a delay) -> RUNNING -> COMPLETED | EXITED | FAILED

`Enter` begins it. `Advance` takes it as far as it can go without asking anybody: to a delay, to a CONDITION (whose
branch is looked up before the next `Advance`), or to its end. Both may come late or again: then nothing happens.
"""

from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid5
from libs.schemas.base import Data
from libs.schemas.workflows import (
    DelayStarted,
    EmailRequested,
    ExecutionCompleted,
    ExecutionExited,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionStatus,
    Step,
    StepCompleted,
)
from services.workflows.definitions.graph import Graph
from services.workflows.steps.condition import Question, outcome
from services.workflows.steps.registry import (
    CustomRecipient,
    Delay,
    Exit,
    SendEmail,
    Trigger,
    work_of,
)


class Absent(msgspec.Struct, frozen=True):
    """It has not begun."""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """`step_id` is the step to take next or, in WAITING, the delay that ends at `until`."""

    id: UUID
    workflow_id: UUID
    contact_id: UUID
    email: str
    trigger_event: str
    context: Data
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
        """When it is to be advanced next; None if it has ended."""
        return {"RUNNING": now, "WAITING": self.until}.get(self.status)


class Enter(msgspec.Struct, frozen=True, kw_only=True):
    """An event happened to a contact. `entries` counts the contact's executions of this workflow so far; `active`
    says whether one of them has not ended."""

    execution_id: UUID
    workflow_id: UUID
    trigger_step_id: UUID
    contact_id: UUID
    email: str
    trigger_event: str
    context: Data
    allow_reentry: bool
    entries: int
    active: bool


class Advance(msgspec.Struct, frozen=True, kw_only=True):
    """Go on through this graph, with what was looked up before: the `branch` that the CONDITION at hand takes, the
    contact's `email` if the execution does not know it, or the `failure` to learn one of them."""

    graph: Graph
    branch: str | None = None
    email: str | None = None
    failure: str | None = None


State: TypeAlias = Absent | Execution
Input: TypeAlias = Enter | Advance
Event: TypeAlias = (
    ExecutionStarted
    | StepCompleted
    | EmailRequested
    | DelayStarted
    | ExecutionCompleted
    | ExecutionExited
    | ExecutionFailed
)

INITIAL: State = Absent()


def decide(happened: Input, state: State, now: datetime) -> list[Event]:
    match happened, state:
        case Enter(), Absent():
            return [] if _barred(happened) else [_started(happened)]
        case Advance(), Execution(active=True):
            return _way(happened, state, now)
        case _:
            return []


def evolve(state: State, event: Event) -> State:
    if isinstance(event, ExecutionStarted):
        return Execution(
            id=event.execution_id,
            workflow_id=event.workflow_id,
            contact_id=event.contact_id,
            email=event.email,
            trigger_event=event.trigger_event,
            context=event.context,
            entry=event.entry,
            step_id=event.step_id,
        )
    return state if isinstance(state, Absent) else _evolve(state, event)


def _evolve(
    execution: Execution,
    event: StepCompleted | EmailRequested | DelayStarted | ExecutionCompleted | ExecutionExited | ExecutionFailed,
) -> Execution:
    match event:
        case StepCompleted(next_step_id=next_step_id):
            return replace(execution, status="RUNNING", step_id=next_step_id, until=None)
        case EmailRequested():
            return execution
        case DelayStarted(until=until):
            return replace(execution, status="WAITING", until=until)
        case ExecutionCompleted():
            return replace(execution, status="COMPLETED", step_id=None)
        case ExecutionExited(reason=reason):
            return replace(execution, status="EXITED", step_id=None, reason=reason)
        case ExecutionFailed(reason=reason):
            return replace(execution, status="FAILED", until=None, reason=reason)
        case _:
            assert_never(event)


def _barred(enter: Enter) -> bool:
    """Without re-entry once is for ever; with it, one at a time."""
    return enter.active or (enter.entries > 0 and not enter.allow_reentry)


def _started(enter: Enter) -> ExecutionStarted:
    return ExecutionStarted(
        execution_id=enter.execution_id,
        workflow_id=enter.workflow_id,
        contact_id=enter.contact_id,
        email=enter.email,
        trigger_event=enter.trigger_event,
        context=enter.context,
        step_id=enter.trigger_step_id,
        entry=enter.entries,
    )


def _way(advance: Advance, execution: Execution, now: datetime) -> list[Event]:
    """Step after step, until one has nothing to say now. A graph has no loops, so this ends."""
    events: list[Event] = []
    while execution.active:
        happening = _step(advance, execution, now)
        if not happening:
            break
        for event in happening:
            execution = _evolve(execution, event)
        events += happening
        advance = replace(advance, branch=None)
    return events


Happening: TypeAlias = list[
    StepCompleted | EmailRequested | DelayStarted | ExecutionCompleted | ExecutionExited | ExecutionFailed
]


def _step(advance: Advance, execution: Execution, now: datetime) -> Happening:
    """What the step at hand makes happen; nothing where it has to wait for time or for an answer."""
    step = advance.graph.step(execution.step_id)
    if advance.failure is not None:
        return [_failed(execution, advance.failure)]
    if step is None:
        return [_failed(execution, "Workflow step not found")]
    try:
        work = work_of(step)
    except Rejected as no:
        return [_failed(execution, f"{step.type_} step is not configured: {no.errors[0].field}")]
    match work:
        case Trigger():
            output = {"triggered": True, "eventName": execution.trigger_event, "timestamp": iso(now)}
            return _completed(advance, execution, step, output)
        case SendEmail():
            return _send(work, advance, execution, step, now)
        case Delay():
            return _wait(work, advance, execution, step, now)
        case Question():
            return _branch(advance, execution, step)
        case Exit(reason=reason):
            output = {"exited": True, "reason": reason}
            return [_step_completed(execution, step, output), ExecutionExited(**_of(execution), reason=reason)]
        case _:
            assert_never(work)


def _send(work: SendEmail, advance: Advance, execution: Execution, step: Step, now: datetime) -> Happening:
    custom = isinstance(work.recipient, CustomRecipient)
    address = work.recipient.custom_email if isinstance(work.recipient, CustomRecipient) else None
    address = address or execution.email or advance.email
    if not address:
        return []
    email_id = uuid5(execution.id, str(step.id))
    requested = EmailRequested(
        **_of(execution),
        step_id=step.id,
        email_id=email_id,
        template_id=work.template_id,
        email=address,
        context=execution.context,
    )
    output = {
        "emailId": str(email_id),
        "queuedAt": iso(now),
        "recipientType": "CUSTOM" if custom else "CONTACT",
        "recipientEmail": address,
    }
    return [requested, *_completed(advance, execution, step, output)]


def _wait(work: Delay, advance: Advance, execution: Execution, step: Step, now: datetime) -> Happening:
    if execution.until is None:
        until = now + timedelta(seconds=work.seconds)
        return [DelayStarted(**_of(execution), step_id=step.id, until=until)]
    if now < execution.until:
        return []
    output = {"delayAmount": work.amount, "delayUnit": work.unit, "resumeAt": iso(execution.until)}
    return _completed(advance, execution, step, output)


def _branch(advance: Advance, execution: Execution, step: Step) -> Happening:
    if advance.branch is None:
        return []
    return _completed(advance, execution, step, outcome(step.config, advance.branch), advance.branch)


def _completed(
    advance: Advance, execution: Execution, step: Step, output: Data, branch: str | None = None
) -> Happening:
    """The step is done; so is the execution where no way leads on."""
    next_step_id = advance.graph.next_after(step.id, branch)
    completed = _step_completed(execution, step, output, branch, next_step_id)
    return [completed] if next_step_id else [completed, ExecutionCompleted(**_of(execution))]


def _step_completed(
    execution: Execution, step: Step, output: Data, branch: str | None = None, next_step_id: UUID | None = None
) -> StepCompleted:
    return StepCompleted(**_of(execution), step_id=step.id, output=output, branch=branch, next_step_id=next_step_id)


def _failed(execution: Execution, reason: str) -> ExecutionFailed:
    return ExecutionFailed(**_of(execution), step_id=execution.step_id, reason=reason)


def _of(execution: Execution) -> dict[str, UUID]:
    """What every event of an execution names."""
    return {
        "execution_id": execution.id,
        "workflow_id": execution.workflow_id,
        "contact_id": execution.contact_id,
    }
