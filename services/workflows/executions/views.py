"""Executions in the shape of the API."""

from libs.kernel.instants import iso
from libs.schemas.workflows import ExecutionView
from services.workflows.executions.execution import Execution


def execution_view(execution: Execution) -> ExecutionView:
    assert execution.started_at is not None
    return ExecutionView(
        id=execution.id,
        workflow_id=execution.workflow_id,
        contact_id=execution.contact_id,
        status=execution.status,
        current_step_id=execution.step_id,
        exit_reason=execution.reason,
        context=execution.context,
        started_at=iso(execution.started_at),
        completed_at=iso(execution.completed_at) if execution.completed_at else None,
    )
