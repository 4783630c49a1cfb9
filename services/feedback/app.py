"""The composition root: what the feedback service is made of."""

from pathlib import Path

from libs.runtime.service import Service
from libs.runtime.settings import Settings
from libs.schemas.feedback import FindConfirmed, GetEmailFeedback, RecordNotification, RecordNotifications
from services.feedback.archive import forget_old
from services.feedback.intake import ReadAgain, read_again, take_in
from services.feedback.polling import poll_queue
from services.feedback.queries import find_confirmed, get_email_feedback
from services.feedback.read_models import email_feedback, email_link

MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    return Service(
        name="feedback",
        ingest={RecordNotification: take_in, RecordNotifications: take_in},
        timers={ReadAgain: read_again},
        queries={GetEmailFeedback: get_email_feedback, FindConfirmed: find_confirmed},
        read_models=(email_feedback, email_link),
        migrations=MIGRATIONS,
        work=(forget_old, poll_queue) if config.sqs_queue_url else (forget_old,),
    )
