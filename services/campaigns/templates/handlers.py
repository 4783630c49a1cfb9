"""What templates handle."""

from libs.runtime.process.service import Handlers
from services.campaigns.templates.commands import COMMANDS
from services.campaigns.templates.queries import QUERIES
from services.campaigns.templates.read_models import template

HANDLERS = Handlers(commands=COMMANDS, queries=QUERIES, read_models=(template,))
