"""Who a campaign is for."""

from typing import Literal
from uuid import UUID

from libs.schemas.base import View
from libs.schemas.contacts.contacts import Condition

AudienceType = Literal["ALL", "SEGMENT", "FILTERED"]


class Audience(View, frozen=True, kw_only=True):
    """Whom a campaign goes to: all subscribed contacts, a segment, or those for whom a condition holds.

    A SEGMENT audience names a segment, a list (a static segment), or both: then those who are in both.
    """

    audience_type: AudienceType
    segment_id: UUID | None = None
    audience_condition: Condition | None = None
    list_id: UUID | None = None
