"""What the service handles about jobs."""

from libs.runtime.process.service import Handlers
from services.contacts.jobs import export, queries, worker
from services.contacts.jobs.commands import COMMANDS
from services.contacts.jobs.read_models import contact_job

HANDLERS = Handlers(
    commands=COMMANDS,
    queries={**queries.QUERIES, **export.QUERIES},
    read_models=(contact_job,),
    work=(worker.work, worker.tidy),
)
