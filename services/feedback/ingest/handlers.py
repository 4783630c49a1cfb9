"""What ingest handles: notifications from the bus and from the SQS queue, if there is one."""

from libs.runtime.process.service import Handlers
from libs.runtime.process.settings import Settings
from libs.schemas.feedback.mails import FindConfirmed
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications
from services.feedback.ingest.backlog import Backlog
from services.feedback.ingest.confirmations import confirmation_finder
from services.feedback.ingest.intake import Intake, ReadAgain
from services.feedback.ingest.polling import polling
from services.feedback.ingest.sqs_queue import HIDDEN_SECONDS
from services.feedback.reputation.monitor import ReputationMonitor


def ingest_handlers(config: Settings) -> Handlers:
    """Return what ingest handles under these settings."""
    intake = Intake(_monitor(config))
    record = intake.record  # one object, so that both kinds of message are handled together
    url = config.sqs_queue_url
    backlog = Backlog(HIDDEN_SECONDS) if url else None
    return Handlers(
        ingest={RecordNotification: record, RecordNotifications: record},
        timers={ReadAgain: intake.read_again},
        queries={FindConfirmed: confirmation_finder(backlog)},
        work=(polling(url, backlog),) if url and backlog else (),
    )


def _monitor(config: Settings) -> ReputationMonitor | None:
    """Return the monitor, or None if the settings turn it off."""
    return ReputationMonitor(pausing=config.reputation_guard == "pause") if config.reputation_guard != "off" else None
