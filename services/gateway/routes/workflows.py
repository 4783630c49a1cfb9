"""Workflows, their steps and transitions, and their executions."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from libs.runtime.clock import uuid7
from libs.schemas.base import Data
from libs.schemas.workflows import (
    AddStep,
    AddTransition,
    Branch,
    CreateWorkflow,
    ExecutionPage,
    ExecutionStatus,
    ExecutionView,
    GetExecution,
    GetWorkflow,
    ListExecutions,
    ListWorkflows,
    Step,
    StepType,
    Transition,
    TriggerConfig,
    UpdateWorkflow,
    WorkflowPage,
    WorkflowView,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import Description, EventName, Name, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import PageNumber, PageSize
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Workflows"]


class WorkflowBody(Body, frozen=True, kw_only=True):
    name: Name
    event_name: EventName
    description: Description | None = None
    enabled: bool = False
    allow_reentry: bool = False


class WorkflowChanges(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Description | None = None
    trigger_config: TriggerConfig | None = None
    enabled: bool | None = None
    allow_reentry: bool | None = None


class StepBody(Body, frozen=True, kw_only=True):
    type_: StepType = msgspec.field(name="type")
    name: Name
    position: Data = msgspec.field(default_factory=dict)
    config: Data = msgspec.field(default_factory=dict)
    template_id: UUID | None = None
    auto_connect: bool = True


class TransitionBody(Body, frozen=True, kw_only=True):
    """`branch` is short for `condition: {"branch": ...}`."""

    from_step_id: UUID
    to_step_id: UUID
    condition: Branch | None = None
    branch: str | None = None
    priority: Annotated[int, Meta(ge=0)] = 0


@get("/workflows", responses=query_responses(WorkflowPage), tags=TAGS)
async def list_workflows(request: ApiRequest, page: PageNumber = 1, page_size: PageSize = 20) -> RawResponse:
    """List workflows

    Newest first.
    """
    return RawResponse(await request.query(ListWorkflows(page=page, page_size=page_size)))


@post("/workflows", responses=command_responses(WorkflowView, 201), tags=TAGS)
async def create_workflow(data: JSONBody[WorkflowBody], request: ApiRequest) -> RawResponse:
    """Create a workflow

    It starts with its TRIGGER step and is disabled unless `enabled` is true. Every contact with this event enters once,
    or with `allowReentry` repeatedly.
    """
    command = CreateWorkflow(
        workflow_id=uuid7(),
        trigger_step_id=uuid7(),
        name=data.name,
        event_name=data.event_name,
        description=data.description,
        enabled=data.enabled,
        allow_reentry=data.allow_reentry,
    )
    return RawResponse(await request.execute(command), 201)


@get("/workflows/{workflow_id:str}", responses=query_responses(WorkflowView), tags=TAGS)
async def get_workflow(workflow_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a workflow, with its steps and transitions"""
    return RawResponse(await request.query(GetWorkflow(workflow_id=parse_id(workflow_id, "Workflow"))))


@patch("/workflows/{workflow_id:str}", responses=command_responses(WorkflowView, 200), tags=TAGS)
async def update_workflow(
    workflow_id: FromPath[str], data: JSONBody[WorkflowChanges], request: ApiRequest
) -> RawResponse:
    """Update a workflow

    Changes the given fields. `enabled: true` starts the workflow.
    """
    command = UpdateWorkflow(
        workflow_id=parse_id(workflow_id, "Workflow"),
        name=data.name,
        description=data.description,
        event_name=data.trigger_config.event_name if data.trigger_config else None,
        enabled=data.enabled,
        allow_reentry=data.allow_reentry,
    )
    return RawResponse(await request.execute(command))


@post("/workflows/{workflow_id:str}/steps", responses=command_responses(Step, 201), tags=TAGS)
async def add_step(workflow_id: FromPath[str], data: JSONBody[StepBody], request: ApiRequest) -> RawResponse:
    """Add a step

    With `autoConnect`, the last step without a transition is connected to the new one.
    """
    step = Step(
        id=uuid7(),
        type_=data.type_,
        name=data.name,
        position=data.position,
        config=data.config,
        template_id=data.template_id,
    )
    command = AddStep(
        workflow_id=parse_id(workflow_id, "Workflow"), step=step, transition_id=uuid7(), auto_connect=data.auto_connect
    )
    return RawResponse(await request.execute(command), 201)


@post("/workflows/{workflow_id:str}/transitions", responses=command_responses(Transition, 201), tags=TAGS)
async def add_transition(
    workflow_id: FromPath[str], data: JSONBody[TransitionBody], request: ApiRequest
) -> RawResponse:
    """Add a transition

    For a CONDITION step, `branch` is `yes` or `no`.
    """
    transition = Transition(
        id=uuid7(),
        from_step_id=data.from_step_id,
        to_step_id=data.to_step_id,
        condition=data.condition or (Branch(branch=data.branch) if data.branch else None),
        priority=data.priority,
    )
    command = AddTransition(workflow_id=parse_id(workflow_id, "Workflow"), transition=transition)
    return RawResponse(await request.execute(command), 201)


@get("/workflows/{workflow_id:str}/executions", responses=query_responses(ExecutionPage), tags=TAGS)
async def list_executions(
    workflow_id: FromPath[str],
    request: ApiRequest,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    status: Annotated[ExecutionStatus | None, QueryParameter(description="Only executions in this state")] = None,
) -> RawResponse:
    """List executions

    Newest first.
    """
    query = ListExecutions(workflow_id=parse_id(workflow_id, "Workflow"), page=page, page_size=page_size, status=status)
    return RawResponse(await request.query(query))


@get("/workflows/{workflow_id:str}/executions/{execution_id:str}", responses=query_responses(ExecutionView), tags=TAGS)
async def get_execution(workflow_id: FromPath[str], execution_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get an execution"""
    what = "Workflow execution"
    query = GetExecution(workflow_id=parse_id(workflow_id, "Workflow"), execution_id=parse_id(execution_id, what))
    return RawResponse(await request.query(query))
