"""What runs handle."""

from libs.runtime.process.service import Handlers
from services.campaigns.runs.read_models import campaign_run

HANDLERS = Handlers(read_models=(campaign_run,))
