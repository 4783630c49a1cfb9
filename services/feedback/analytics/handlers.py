"""What analytics handles."""

from libs.runtime.process.service import Handlers
from services.feedback.analytics.queries import QUERIES
from services.feedback.analytics.read_models import tally

HANDLERS = Handlers(queries=QUERIES, read_models=(tally,))
