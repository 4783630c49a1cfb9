"""What the service handles about tracked events. Tracking itself is a command about a contact."""

from libs.runtime.process.service import Handlers
from services.contacts.events.queries import QUERIES
from services.contacts.events.read_models import contact_event, tracked_event

HANDLERS = Handlers(queries=QUERIES, read_models=(contact_event, tracked_event))
