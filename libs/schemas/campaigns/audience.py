"""The audience of a campaign."""

from typing import Literal
from uuid import UUID

from libs.schemas.base import View
from libs.schemas.contacts.contacts import Condition

AudienceType = Literal["ALL", "SEGMENT", "FILTERED"]


class Audience(View, frozen=True, kw_only=True):
    """The contacts that a campaign is sent to: all subscribers, a segment, or those who meet a condition.

    A SEGMENT audience names a segment, a list (a static segment), or both: then it is the contacts who are in both.
    """

    audience_type: AudienceType
    segment_id: UUID | None = None
    audience_condition: Condition | None = None
    list_id: UUID | None = None
