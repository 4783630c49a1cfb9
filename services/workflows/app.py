"""The workflows service, put together."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.contacts.fields import FindFieldInWorkflows
from libs.schemas.workflows import (
    AddStep,
    AddTransition,
    CreateWorkflow,
    FindWorkflowsOfEvent,
    FindWorkflowsOfSegment,
    GetExecution,
    GetWorkflow,
    ListExecutions,
    ListTemplateSteps,
    ListWorkflows,
    UpdateWorkflow,
)
from services.workflows.definitions import queries
from services.workflows.definitions.commands import workflows
from services.workflows.definitions.field_uses import find_field
from services.workflows.definitions.read_models import workflow
from services.workflows.executions.advance import AdvanceExecution, Advancing
from services.workflows.executions.contacts_client import Contacts
from services.workflows.executions.forgetting import forget
from services.workflows.executions.read_models import execution
from services.workflows.triggers.enrollment import start_executions
from services.workflows.triggers.trigger_events import TRIGGERS

# Every table of this service is a read model, so there is nothing in it yet.
MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    """What the workflows service handles. It has no settings of its own."""
    contacts = Contacts()
    return Service(
        name="workflows",
        commands=dict.fromkeys((CreateWorkflow, UpdateWorkflow, AddStep, AddTransition), workflows()),
        reactions={ContactDeleted: forget, **dict.fromkeys(TRIGGERS, start_executions)},
        timers={AdvanceExecution: Advancing(contacts)},
        queries={
            FindFieldInWorkflows: find_field,
            GetWorkflow: queries.get_workflow,
            ListWorkflows: queries.list_workflows,
            ListTemplateSteps: queries.list_template_steps,
            FindWorkflowsOfEvent: queries.find_workflows_of_event,
            FindWorkflowsOfSegment: queries.find_workflows_of_segment,
            ListExecutions: queries.list_executions,
            GetExecution: queries.get_execution,
        },
        read_models=(workflow, execution),
        migrations=MIGRATIONS,
        work=(contacts.connect,),
    )
