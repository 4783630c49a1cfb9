"""What the service handles about contacts."""

from libs.runtime.process.service import Handlers
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from services.contacts.contacts import commands, confirmation_commands
from services.contacts.contacts.queries import QUERIES
from services.contacts.contacts.reactions import end_snoozes, end_subscriptions
from services.contacts.contacts.read_models import confirmation, contact, contact_activity
from services.contacts.contacts.snooze import EndSnooze

HANDLERS = Handlers(
    commands={**commands.COMMANDS, **confirmation_commands.COMMANDS},
    reactions={EmailBounced: end_subscriptions, EmailComplained: end_subscriptions},
    timers={EndSnooze: end_snoozes},
    queries=QUERIES,
    read_models=(contact, contact_activity, confirmation),
)
