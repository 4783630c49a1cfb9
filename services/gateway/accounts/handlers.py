"""What the accounts handle."""

from libs.runtime.process.service import Handlers
from libs.runtime.process.settings import Settings
from libs.schemas.gateway import UpdateProject
from services.gateway.accounts.api_keys import COMMANDS
from services.gateway.accounts.projects import QUERIES, change_projects
from services.gateway.accounts.read_models import api_key, project


def account_handlers(config: Settings) -> Handlers:
    can_send_untracked = bool(config.configuration_set_untracked)
    return Handlers(
        commands={UpdateProject: change_projects(can_send_untracked), **COMMANDS},
        queries=QUERIES,
        read_models=(project, api_key),
    )
