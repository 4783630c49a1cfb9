"""What triggers handle: every event that can start a workflow."""

from libs.runtime.process.service import Handlers
from services.workflows.triggers.enrollment import start_executions
from services.workflows.triggers.trigger_events import TRIGGERS

HANDLERS = Handlers(reactions=dict.fromkeys(TRIGGERS, start_executions))
