"""Messages of the workflows service: workflow graphs and their executions."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Data, Event, Instant, Query, View

StepType = Literal["TRIGGER", "SEND_EMAIL", "DELAY", "CONDITION", "EXIT"]
ExecutionStatus = Literal["RUNNING", "WAITING", "COMPLETED", "EXITED", "FAILED", "CANCELLED"]


class Step(View, frozen=True, kw_only=True):
    """A step of a workflow. The form of its `config` depends on its type."""

    id: UUID
    type_: StepType = msgspec.field(name="type")
    name: str
    position: Data = {}
    config: Data = {}
    template_id: UUID | None = None


class Branch(View, frozen=True, kw_only=True):
    """The condition of a transition: it is taken by executions that leave its step by this branch."""

    branch: str


class Transition(View, frozen=True, kw_only=True):
    """The way from one step to the next. Of several that could be taken, the one with the lowest `priority` is."""

    id: UUID
    from_step_id: UUID
    to_step_id: UUID
    condition: Branch | None = None
    priority: int = 0


# --- commands --------------------------------------------------------------------------------------------------------


class WorkflowsCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "workflows"
    workflow_id: UUID


class CreateWorkflow(WorkflowsCommand, tag="create-workflow", frozen=True, kw_only=True):
    """Create a workflow with its TRIGGER step. Replies with `WorkflowView`."""

    trigger_step_id: UUID
    name: str
    event_name: str
    description: str | None = None
    enabled: bool = False
    allow_reentry: bool = False


class UpdateWorkflow(WorkflowsCommand, tag="update-workflow", frozen=True, kw_only=True):
    """Change the fields that are given. Replies with `WorkflowView`."""

    name: str | None = None
    description: str | None = None
    event_name: str | None = None
    enabled: bool | None = None
    allow_reentry: bool | None = None


class AddStep(WorkflowsCommand, tag="add-step", frozen=True, kw_only=True):
    """Add a step. Replies with `Step`.

    With `auto_connect` the newest step without a transition is connected to the new one, by a transition with the id
    `transition_id`.
    """

    step: Step
    transition_id: UUID
    auto_connect: bool = True


class AddTransition(WorkflowsCommand, tag="add-transition", frozen=True, kw_only=True):
    """Add a transition. Replies with `Transition`: the existing one if an equal one is there already."""

    transition: Transition


# --- events ----------------------------------------------------------------------------------------------------------


class WorkflowEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "workflows"
    stream: ClassVar[str] = "workflow-{workflow_id}"
    workflow_id: UUID


class WorkflowCreated(WorkflowEvent, tag="workflow.created", frozen=True, kw_only=True):
    trigger_step_id: UUID
    name: str
    event_name: str
    description: str | None = None
    enabled: bool = False
    allow_reentry: bool = False


class WorkflowUpdated(WorkflowEvent, tag="workflow.updated", frozen=True, kw_only=True):
    """The values after the change."""

    name: str
    description: str | None
    event_name: str
    enabled: bool
    allow_reentry: bool


class StepAdded(WorkflowEvent, tag="workflow.step_added", frozen=True, kw_only=True):
    step: Step


class TransitionAdded(WorkflowEvent, tag="workflow.transition_added", frozen=True, kw_only=True):
    transition: Transition


class ExecutionEvent(Event, frozen=True, kw_only=True):
    """A fact about an execution: one contact going through one workflow."""

    service: ClassVar[str] = "workflows"
    stream: ClassVar[str] = "execution-{execution_id}"
    execution_id: UUID
    workflow_id: UUID
    contact_id: UUID


class ExecutionStarted(ExecutionEvent, tag="execution.started", frozen=True, kw_only=True):
    """An event triggered the workflow for a contact.

    `context` is the data of that event, which anybody may have written if it is not `trusted`. `email` is the address
    in it, empty if it has none. `step_id` is the TRIGGER step; `entry` is the number of executions of the workflow that
    the contact had before.
    """

    personal: ClassVar[tuple[str, ...]] = ("email", "context")
    email: str
    trigger_event: str
    context: Data
    step_id: UUID
    entry: int = 0
    trusted: bool = True


class StepCompleted(ExecutionEvent, tag="execution.step_completed", frozen=True, kw_only=True):
    """A step is done. `branch` is the branch taken from a CONDITION; `next_step_id` is null if no step follows."""

    personal: ClassVar[tuple[str, ...]] = ("output",)
    step_id: UUID
    output: Data
    branch: str | None = None
    next_step_id: UUID | None = None


class StepEvent(ExecutionEvent, frozen=True, kw_only=True):
    """What a step of one type does when an execution reaches it."""

    step_id: UUID


class EmailRequested(StepEvent, tag="execution.email_requested", frozen=True, kw_only=True):
    """A SEND_EMAIL step was reached. Delivery queues the mail, once for each execution and step.

    Anybody may have written a `context` that is not `trusted`.
    """

    personal: ClassVar[tuple[str, ...]] = ("email", "context")
    email_id: UUID
    template_id: UUID
    email: str
    context: Data
    trusted: bool = True


class DelayStarted(StepEvent, tag="execution.delay_started", frozen=True, kw_only=True):
    """A DELAY step was reached. The execution goes on at `until`."""

    until: datetime


class ExecutionCompleted(ExecutionEvent, tag="execution.completed", frozen=True, kw_only=True):
    """The last step was completed."""


class ExecutionExited(ExecutionEvent, tag="execution.exited", frozen=True, kw_only=True):
    """An EXIT step ended the execution. `reason` is the one in its config."""

    reason: str


class ExecutionFailed(ExecutionEvent, tag="execution.failed", frozen=True, kw_only=True):
    """The execution cannot go on from the step `step_id`. `reason` is for people."""

    step_id: UUID | None
    reason: str


# --- queries and replies ---------------------------------------------------------------------------------------------


class WorkflowsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "workflows"


class GetWorkflow(WorkflowsQuery, tag="get-workflow", frozen=True, kw_only=True):
    """Replies with `WorkflowView`."""

    workflow_id: UUID


class ListWorkflows(WorkflowsQuery, tag="list-workflows", frozen=True, kw_only=True):
    """List workflows, newest first. Replies with `WorkflowPage`."""

    page: int = 1
    page_size: int = 20


class FindWorkflowsOfSegment(WorkflowsQuery, tag="find-workflows-of-segment", frozen=True, kw_only=True):
    """Find workflows that use the segment in a condition, or that start when a contact enters or leaves it.

    Replies with a list of `WorkflowUse`.
    """

    segment_id: UUID
    slug: str


class FindWorkflowsOfEvent(WorkflowsQuery, tag="find-workflows-of-event", frozen=True, kw_only=True):
    """Find workflows that the event starts, or that use it in a step. Replies with a list of `WorkflowUse`."""

    name: str


class ListExecutions(WorkflowsQuery, tag="list-executions", frozen=True, kw_only=True):
    """List executions, newest first. Replies with `ExecutionPage`."""

    workflow_id: UUID
    page: int = 1
    page_size: int = 20
    status: ExecutionStatus | None = None


class GetExecution(WorkflowsQuery, tag="get-execution", frozen=True, kw_only=True):
    """Replies with `ExecutionView`."""

    workflow_id: UUID
    execution_id: UUID


class ListTemplateSteps(WorkflowsQuery, tag="list-template-steps", frozen=True, kw_only=True):
    """List the steps that send a template. Replies with a list of `TemplateStep`."""

    template_id: UUID


class TemplateStep(View, frozen=True, kw_only=True):
    """A step that sends a template, and its workflow."""

    id: UUID
    name: str
    workflow_id: UUID
    workflow_name: str


class TriggerConfig(View, frozen=True, kw_only=True):
    event_name: str


class WorkflowUse(View, frozen=True, kw_only=True):
    """A workflow that uses a segment or an event."""

    id: UUID
    name: str
    enabled: bool


class WorkflowView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    description: str | None
    enabled: bool
    trigger_type: Literal["EVENT"]
    trigger_config: TriggerConfig
    allow_reentry: bool
    steps: list[Step]
    transitions: list[Transition]
    created_at: Instant
    updated_at: Instant


class WorkflowPage(View, frozen=True, kw_only=True):
    data: list[WorkflowView]
    total: int
    page: int
    page_size: int
    total_pages: int


class ExecutionView(View, frozen=True, kw_only=True):
    id: UUID
    workflow_id: UUID
    contact_id: UUID
    status: ExecutionStatus
    current_step_id: UUID | None
    exit_reason: str | None
    context: Data
    started_at: Instant
    completed_at: Instant | None


class ExecutionPage(View, frozen=True, kw_only=True):
    executions: list[ExecutionView]
    total: int
    page: int
    page_size: int
    total_pages: int
