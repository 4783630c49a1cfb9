"""Queries about workflow definitions."""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.paging import numbered_page
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.fields import FindFieldInWorkflows
from libs.schemas.workflows import (
    FindWorkflowsOfEvent,
    FindWorkflowsOfSegment,
    GetWorkflow,
    ListTemplateSteps,
    ListWorkflows,
    TemplateStep,
    WorkflowPage,
    WorkflowUse,
    WorkflowView,
)
from services.workflows.definitions.field_uses import find_field
from services.workflows.definitions.read_models import workflow
from services.workflows.definitions.views import workflow_view
from services.workflows.definitions.workflow import Workflow


async def get_workflow(conn: Connection, project: UUID, query: GetWorkflow) -> WorkflowView:
    return workflow_view(query.workflow_id, await require_workflow(conn, project, query.workflow_id), now=now())


async def list_workflows(conn: Connection, project: UUID, query: ListWorkflows) -> WorkflowPage:
    page = numbered_page(query.page, query.page_size)
    found = await workflow.newest(conn, project, page.size, page.offset)
    total = await workflow.count(conn, project)
    return WorkflowPage(
        data=[workflow_view(workflow_id, state, now=now()) for workflow_id, state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(total),
    )


async def list_template_steps(conn: Connection, project: UUID, query: ListTemplateSteps) -> list[TemplateStep]:
    return await workflow.steps_sending(conn, project, query.template_id)


async def find_workflows_of_segment(
    conn: Connection, project: UUID, query: FindWorkflowsOfSegment
) -> list[WorkflowUse]:
    return await workflow.of_segment(conn, project, query.segment_id, query.slug)


async def find_workflows_of_event(conn: Connection, project: UUID, query: FindWorkflowsOfEvent) -> list[WorkflowUse]:
    return await workflow.of_event(conn, project, query.name)


async def require_workflow(conn: Connection, project: UUID, workflow_id: UUID) -> Workflow:
    found = await workflow.load(conn, [(project, workflow_id)])
    if not found:
        raise Rejected("WORKFLOW_NOT_FOUND", "Workflow not found")
    return found[project, workflow_id][0]


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetWorkflow: get_workflow,
    ListWorkflows: list_workflows,
    ListTemplateSteps: list_template_steps,
    FindWorkflowsOfEvent: find_workflows_of_event,
    FindWorkflowsOfSegment: find_workflows_of_segment,
    FindFieldInWorkflows: find_field,
}
