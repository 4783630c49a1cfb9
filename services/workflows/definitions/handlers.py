"""What workflow definitions handle."""

from libs.runtime.process.service import Handlers
from services.workflows.definitions.commands import COMMANDS
from services.workflows.definitions.queries import QUERIES
from services.workflows.definitions.read_models import workflow

HANDLERS = Handlers(commands=COMMANDS, queries=QUERIES, read_models=(workflow,))
