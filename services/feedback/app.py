"""The feedback service, put together from its parts."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from services.feedback.analytics.handlers import HANDLERS as ANALYTICS
from services.feedback.ingest.handlers import ingest_handlers
from services.feedback.mails.handlers import HANDLERS as MAILS
from services.feedback.notifications.handlers import HANDLERS as NOTIFICATIONS
from services.feedback.reputation.handlers import HANDLERS as REPUTATION

MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    """Return the feedback service as these settings configure it."""
    return Service.of("feedback", MIGRATIONS, MAILS, ANALYTICS, REPUTATION, NOTIFICATIONS, ingest_handlers(config))
