"""Answers `qry.workflows.>` from the read models."""

from uuid import UUID

from libs.kernel.paging import window
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.store import Connection
from libs.schemas.workflows import (
    ExecutionPage,
    ExecutionView,
    FindWorkflowsOfEvent,
    FindWorkflowsOfSegment,
    GetExecution,
    GetWorkflow,
    ListExecutions,
    ListTemplateSteps,
    ListWorkflows,
    TemplateStep,
    WorkflowPage,
    WorkflowUse,
    WorkflowView,
)
from services.workflows.definitions.read_models import workflow
from services.workflows.definitions.views import execution_view, workflow_view
from services.workflows.definitions.workflow import Workflow
from services.workflows.executions.read_models import execution


async def get_workflow(conn: Connection, project: UUID, query: GetWorkflow) -> WorkflowView:
    return workflow_view(query.workflow_id, await _workflow(conn, project, query.workflow_id), now=now())


async def list_workflows(conn: Connection, project: UUID, query: ListWorkflows) -> WorkflowPage:
    page = window(query.page, query.page_size)
    found = await workflow.newest(conn, project, page.size, page.offset)
    total = await workflow.count(conn, project)
    return WorkflowPage(
        data=[workflow_view(workflow_id, state, now=now()) for workflow_id, state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.pages(total),
    )


async def list_template_steps(conn: Connection, project: UUID, query: ListTemplateSteps) -> list[TemplateStep]:
    return await workflow.steps_sending(conn, project, query.template_id)


async def find_workflows_of_segment(
    conn: Connection, project: UUID, query: FindWorkflowsOfSegment
) -> list[WorkflowUse]:
    return await workflow.of_segment(conn, project, query.segment_id, query.slug)


async def find_workflows_of_event(conn: Connection, project: UUID, query: FindWorkflowsOfEvent) -> list[WorkflowUse]:
    return await workflow.of_event(conn, project, query.name)


async def list_executions(conn: Connection, project: UUID, query: ListExecutions) -> ExecutionPage:
    await _workflow(conn, project, query.workflow_id)
    page = window(query.page, query.page_size)
    found = await execution.newest(conn, project, query.workflow_id, query.status, page.size, page.offset)
    total = await execution.count(conn, project, query.workflow_id, query.status)
    return ExecutionPage(
        executions=[execution_view(state) for state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.pages(total),
    )


async def get_execution(conn: Connection, project: UUID, query: GetExecution) -> ExecutionView:
    found = await execution.load(conn, [(project, query.execution_id)])
    state = next((state for state, _ in found.values() if state.workflow_id == query.workflow_id), None)
    if state is None:
        raise Rejected("WORKFLOW_EXECUTION_NOT_FOUND", "Workflow execution not found")
    return execution_view(state)


async def _workflow(conn: Connection, project: UUID, workflow_id: UUID) -> Workflow:
    found = await workflow.load(conn, [(project, workflow_id)])
    if not found:
        raise Rejected("WORKFLOW_NOT_FOUND", "Workflow not found")
    return found[project, workflow_id][0]
