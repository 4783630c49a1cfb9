"""The timer of an A/B test."""

from datetime import datetime
from uuid import UUID

from libs.schemas.base import Message


class WinnerDue(Message, tag="winner-due", frozen=True, kw_only=True):
    """Decide the winner of the campaign's A/B test.

    Nothing happens if it was decided earlier, or if the campaign was cancelled.
    """

    campaign_id: UUID
    decide_at: datetime
