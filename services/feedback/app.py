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
from services.feedback.archive import forget, forget_old
from services.feedback.backlog import Backlog
from services.feedback.guard import get_reputation, obey
from services.feedback.intake import Intake, ReadAgain
from services.feedback.polling import polling
from services.feedback.queries import finding_confirmed, get_email_feedback, get_timeseries
from services.feedback.queue import HIDDEN_SECONDS
from services.feedback.read_models import bounce_streak, email_feedback, email_link, reputation, tally

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
