"""Who a campaign would reach, asked before it is sent: the contacts service's answers about audiences."""

from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Query, View
from libs.schemas.campaigns.audience import Audience

ExclusionReason = Literal["unsubscribed", "snoozed", "bounced", "complained", "erased", "listed", "rule"]


class PreviewAudience(Query, tag="preview-audience", frozen=True, kw_only=True):
    """The contacts that the audience means now, in order of their ids. Answers `AudiencePreview`.

    Refuses an audience that cannot be resolved: SEGMENT_NOT_FOUND, or VALIDATION_ERROR with the path of the error.
    """

    service: ClassVar[str] = "contacts"
    audience: Audience
    subscribed_only: bool = True
    page: int = 1
    page_size: int = 20


class AudienceContact(View, frozen=True, kw_only=True):
    """A contact of the audience. One that would be left out has the reason."""

    id: UUID
    email: str
    subscribed: bool
    left_out: ExclusionReason | None = None


class AudiencePreview(View, frozen=True, kw_only=True):
    """`total` contacts are meant, of whom `count` may be written to, as far as their consent goes."""

    data: list[AudienceContact]
    count: int
    total: int
    page: int
    page_size: int
    total_pages: int
