"""What analytics handles."""

from libs.runtime.process.service import Handlers
from services.feedback.analytics.queries import QUERIES
from services.feedback.analytics.read_models import hourly_counts

HANDLERS = Handlers(queries=QUERIES, read_models=(hourly_counts,))
