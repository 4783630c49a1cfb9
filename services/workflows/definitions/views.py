"""Workflows in the shape of the API."""

from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.schemas.workflows import TriggerConfig, WorkflowView
from services.workflows.definitions.workflow import Workflow


def workflow_view(
    workflow_id: UUID, workflow: Workflow, *, now: datetime, updated_at: datetime | None = None
) -> WorkflowView:
    """Return the view of a workflow.

    A workflow that is not stored yet has no times and gets `now`; `updated_at` is the time of a change that is not
    stored yet.
    """
    graph = workflow.graph
    return WorkflowView(
        id=workflow_id,
        name=workflow.name,
        description=workflow.description,
        enabled=workflow.enabled,
        trigger_type="EVENT",
        trigger_config=TriggerConfig(event_name=workflow.event_name),
        allow_reentry=workflow.allow_reentry,
        steps=list(graph.steps),
        transitions=list(graph.transitions),
        created_at=iso(workflow.created_at or now),
        updated_at=iso(updated_at or workflow.updated_at or now),
    )
