"""Previews of audiences: the contacts that a campaign would reach."""

from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Query, View
from libs.schemas.campaigns.audience import Audience

ExclusionReason = Literal["unsubscribed", "snoozed", "bounced", "complained", "erased", "listed", "rule"]


class PreviewAudience(Query, tag="preview-audience", frozen=True, kw_only=True):
    """List the contacts that the audience currently selects, in the order of their ids. Reply: `AudiencePreview`.

    An unresolvable audience is rejected with SEGMENT_NOT_FOUND, or with VALIDATION_ERROR and the path of the error.
    """

    service: ClassVar[str] = "contacts"
    audience: Audience
    subscribed_only: bool = True
    page: int = 1
    page_size: int = 20


class AudienceContact(View, frozen=True, kw_only=True):
    """A contact of the audience. `left_out` is the reason if the campaign would not be sent to it."""

    id: UUID
    email: str
    subscribed: bool
    left_out: ExclusionReason | None = None


class AudiencePreview(View, frozen=True, kw_only=True):
    """`total` contacts are selected, and `count` of them have consented to receive the campaign."""

    data: list[AudienceContact]
    count: int
    total: int
    page: int
    page_size: int
    total_pages: int
