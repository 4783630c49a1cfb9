"""What results handle."""

from libs.runtime.process.service import Handlers
from services.campaigns.results.queries import QUERIES
from services.campaigns.results.read_models import (
    campaign_click,
    campaign_hour,
    campaign_mail,
    campaign_recipient,
)

HANDLERS = Handlers(
    queries=QUERIES,
    read_models=(campaign_mail, campaign_recipient, campaign_click, campaign_hour),
)
