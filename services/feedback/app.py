"""The composition root: what the feedback service is made of."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.feedback.mails import (
    FindConfirmed,
    GetEmailFeedback,
    GetTimeseries,
    RecordNotification,
    RecordNotifications,
)
from libs.schemas.feedback.reputation import GetReputation, PauseSending, ResumeSending
from services.feedback.analytics.read_models import tally
from services.feedback.ingest.backlog import Backlog
from services.feedback.ingest.intake import Intake, ReadAgain
from services.feedback.ingest.polling import polling
from services.feedback.ingest.queue import HIDDEN_SECONDS
from services.feedback.mails.queries import finding_confirmed, get_email_feedback, get_timeseries
from services.feedback.mails.read_models import email_feedback, email_link
from services.feedback.notifications.archive import forget, forget_old
from services.feedback.reputation.monitor import get_reputation, obey
from services.feedback.reputation.read_models import bounce_streak, reputation

MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    intake = Intake({"pause": True, "warn": False, "off": None}[config.reputation_guard])
    url = config.sqs_queue_url
    backlog = Backlog(HIDDEN_SECONDS) if url else None
    take_in = intake.take_in  # one object, so that both kinds of message are handled together
    return Service(
        name="feedback",
        commands={PauseSending: obey, ResumeSending: obey},
        ingest={RecordNotification: take_in, RecordNotifications: take_in},
        reactions={ContactDeleted: forget},
        timers={ReadAgain: intake.read_again},
        queries={
            GetEmailFeedback: get_email_feedback,
            FindConfirmed: finding_confirmed(backlog),
            GetReputation: get_reputation,
            GetTimeseries: get_timeseries,
        },
        read_models=(email_feedback, email_link, tally, reputation, bounce_streak),
        migrations=MIGRATIONS,
        work=(forget_old, polling(url, backlog)) if url and backlog else (forget_old,),
    )
