"""What feedback per mail handles."""

from libs.runtime.process.service import Handlers
from services.feedback.mails.queries import QUERIES
from services.feedback.mails.read_models import email_feedback, email_link

HANDLERS = Handlers(queries=QUERIES, read_models=(email_feedback, email_link))
