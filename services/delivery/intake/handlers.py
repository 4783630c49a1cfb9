"""What the intake folder handles."""

from typing import get_args

from libs.runtime.process.service import Handlers
from libs.runtime.process.settings import Settings
from libs.schemas.contacts.contacts import AudiencePageResolved
from libs.schemas.delivery.emails import CheckOrder
from libs.schemas.workflows import EmailRequested
from services.delivery.intake import commands, reactions
from services.delivery.intake.fast_path import FastPath


def handlers(config: Settings, fast_path: FastPath) -> Handlers:
    untracked = bool(config.configuration_set_untracked)
    return Handlers(
        commands=dict.fromkeys(get_args(commands.Command), commands.send_emails(untracked, fast_path)),
        queries={CheckOrder: commands.check_order(untracked)},
        reactions={AudiencePageResolved: reactions.queue_page, EmailRequested: reactions.queue_step},
    )
