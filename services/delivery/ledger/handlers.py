"""What the ledger folder handles."""

from typing import get_args

from libs.runtime.process.service import Handlers
from services.delivery.ledger.commands import Command, change_emails
from services.delivery.ledger.queries import QUERIES
from services.delivery.ledger.read_models import campaign_policy

HANDLERS = Handlers(
    commands=dict.fromkeys(get_args(Command), change_emails), queries=QUERIES, read_models=(campaign_policy,)
)
