"""Queries about executions."""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.paging import numbered_page
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.workflows import ExecutionPage, ExecutionView, GetExecution, ListExecutions
from services.workflows.definitions.queries import require_workflow
from services.workflows.executions.read_models import execution
from services.workflows.executions.views import execution_view


async def list_executions(conn: Connection, project: UUID, query: ListExecutions) -> ExecutionPage:
    await require_workflow(conn, project, query.workflow_id)
    page = numbered_page(query.page, query.page_size)
    found = await execution.newest(conn, project, query.workflow_id, query.status, page.size, page.offset)
    total = await execution.count(conn, project, query.workflow_id, query.status)
    return ExecutionPage(
        executions=[execution_view(state) for state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(total),
    )


async def get_execution(conn: Connection, project: UUID, query: GetExecution) -> ExecutionView:
    found = await execution.load(conn, [(project, query.execution_id)])
    state = next((state for state, _ in found.values() if state.workflow_id == query.workflow_id), None)
    if state is None:
        raise Rejected("WORKFLOW_EXECUTION_NOT_FOUND", "Workflow execution not found")
    return execution_view(state)


QUERIES: Mapping[type[Query], QueryHandler] = {ListExecutions: list_executions, GetExecution: get_execution}
