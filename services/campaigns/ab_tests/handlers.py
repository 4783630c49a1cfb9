"""What A/B tests handle. Their commands and timers are those of their campaign."""

from libs.runtime.process.service import Handlers
from services.campaigns.ab_tests.read_models import campaign_experiment

HANDLERS = Handlers(read_models=(campaign_experiment,))
