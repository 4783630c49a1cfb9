"""What campaigns does when its time has come."""

from datetime import datetime
from uuid import UUID

from libs.schemas.base import Message


class CampaignDue(Message, tag="campaign-due", frozen=True, kw_only=True):
    """The campaign's schedule: nothing, if it was moved or given up meanwhile."""

    campaign_id: UUID
    scheduled_for: datetime


class WinnerDue(Message, tag="winner-due", frozen=True, kw_only=True):
    """The time to decide the campaign's A/B test: nothing, if somebody did before, or the campaign was cancelled."""

    campaign_id: UUID
    decide_at: datetime
