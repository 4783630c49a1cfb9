"""The workflows service, put together from its parts."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from services.workflows.definitions.handlers import HANDLERS as DEFINITIONS
from services.workflows.executions.handlers import execution_handlers
from services.workflows.triggers.handlers import HANDLERS as TRIGGERS

# Every table of this service is a read model, so there is nothing in it yet.
MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    """Return the workflows service. It has no settings of its own."""
    return Service.of("workflows", MIGRATIONS, DEFINITIONS, execution_handlers(), TRIGGERS)
