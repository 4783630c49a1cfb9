"""What the service handles about segments."""

from libs.runtime.process.service import Handlers
from services.contacts.segments import field_uses, membership_worker, queries
from services.contacts.segments.commands import COMMANDS
from services.contacts.segments.read_models import segment, segment_change, segment_list

HANDLERS = Handlers(
    commands=COMMANDS,
    slow_commands=list(COMMANDS),
    queries={**queries.QUERIES, **field_uses.QUERIES},
    read_models=(segment, segment_list, segment_change),
    work=(membership_worker.work,),
)
