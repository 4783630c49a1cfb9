"""The timer of a campaign's schedule."""

from datetime import datetime
from uuid import UUID

from libs.schemas.base import Message


class CampaignDue(Message, tag="campaign-due", frozen=True, kw_only=True):
    """Send the campaign. Nothing happens if it was rescheduled or unscheduled meanwhile."""

    campaign_id: UUID
    scheduled_for: datetime
