"""What reputation handles."""

from libs.runtime.process.service import Handlers
from services.feedback.reputation.commands import COMMANDS
from services.feedback.reputation.queries import QUERIES
from services.feedback.reputation.read_models import bounce_streak, reputation

HANDLERS = Handlers(commands=COMMANDS, queries=QUERIES, read_models=(reputation, bounce_streak))
