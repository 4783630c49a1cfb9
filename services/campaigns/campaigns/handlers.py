"""What campaigns handle."""

from libs.runtime.process.service import Handlers
from services.campaigns.campaigns.commands import COMMANDS, TIMERS
from services.campaigns.campaigns.queries import QUERIES
from services.campaigns.campaigns.reactions import REACTIONS
from services.campaigns.campaigns.read_models import campaign

HANDLERS = Handlers(
    commands=COMMANDS,
    timers=TIMERS,
    reactions=REACTIONS,
    queries=QUERIES,
    read_models=(campaign,),
)
