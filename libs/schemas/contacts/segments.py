"""Segments, which the contacts service keeps: what it accepts, says and answers about them."""

from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Instant, Query, View
from libs.schemas.contacts.contacts import Condition, ContactView

SegmentType = Literal["DYNAMIC", "STATIC"]


# --- commands --------------------------------------------------------------------------------------------------------


class SegmentsCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"
    segment_id: UUID


class CreateSegment(SegmentsCommand, tag="create-segment", frozen=True, kw_only=True):
    """Answers `SegmentView`. The slug of the name is fixed at creation.

    A dynamic segment has a condition, a static one has none: its members are put on its list.
    """

    name: str
    condition: Condition | None = None
    description: str | None = None
    track_membership: bool = False
    kind: SegmentType = "DYNAMIC"


class UpdateSegment(SegmentsCommand, tag="update-segment", frozen=True, kw_only=True):
    """Change what is given. Answers `SegmentView`."""

    name: str | None = None
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    condition: Condition | None = None
    track_membership: bool | None = None


class DeleteSegment(SegmentsCommand, tag="delete-segment", frozen=True, kw_only=True):
    """Refused while other segments refer to it. Answers `DeletedSegment`."""


class AddSegmentMembers(SegmentsCommand, tag="add-segment-members", frozen=True, kw_only=True):
    """Put the contacts with these addresses on the list of a static segment. Answers `AddedMembers`.

    `contact_ids` has an id for each address, for contacts that are missing and are to be created.
    """

    emails: list[str]
    contact_ids: list[UUID] = []
    create_missing: bool = False
    subscribed: bool = True


class RemoveSegmentMembers(SegmentsCommand, tag="remove-segment-members", frozen=True, kw_only=True):
    """Answers `RemovedMembers`."""

    emails: list[str]


class ComputeSegment(SegmentsCommand, tag="compute-segment", frozen=True, kw_only=True):
    """Bring the membership of a tracked segment up to date now. Answers `ComputedSegment`."""


# --- events ----------------------------------------------------------------------------------------------------------


class SegmentEvent(Event, frozen=True, kw_only=True):
    """A fact about a segment. Who enters and leaves a tracked one is told by `event.tracked`, under the names
    `segment.<slug>.entry` and `segment.<slug>.exit`, with `segmentId` and `segmentName` as data."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "segment-{segment_id}"
    segment_id: UUID


class SegmentCreated(SegmentEvent, tag="segment.created", frozen=True, kw_only=True):
    """A static segment has no condition."""

    name: str
    slug: str
    condition: Condition | None = None
    description: str | None = None
    track_membership: bool = False
    kind: SegmentType = "DYNAMIC"


class SegmentUpdated(SegmentEvent, tag="segment.updated", frozen=True, kw_only=True):
    """The segment as it is after the change."""

    name: str
    condition: Condition | None = None
    description: str | None = None
    track_membership: bool = False


class SegmentDeleted(SegmentEvent, tag="segment.deleted", frozen=True, kw_only=True):
    pass


class SegmentMembersAdded(SegmentEvent, tag="segment.members_added", frozen=True, kw_only=True):
    """Contacts that were not on the list of the static segment before."""

    contact_ids: list[UUID]


class SegmentMembersRemoved(SegmentEvent, tag="segment.members_removed", frozen=True, kw_only=True):
    """Contacts that were on the list of the static segment."""

    contact_ids: list[UUID]


# --- queries and answers ---------------------------------------------------------------------------------------------


class SegmentsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class ListSegments(SegmentsQuery, tag="list-segments", frozen=True, kw_only=True):
    """Newest first. Answers a list of `SegmentView`."""


class SegmentQuery(SegmentsQuery, frozen=True, kw_only=True):
    segment_id: UUID


class GetSegment(SegmentQuery, tag="get-segment", frozen=True, kw_only=True):
    """Answers `SegmentView`."""


class ListSegmentContacts(SegmentQuery, tag="list-segment-contacts", frozen=True, kw_only=True):
    """Members as they are now: of a dynamic segment the newest contact first, of a static one who was put on the list
    last. Answers `SegmentContacts`."""

    page: int = 1
    page_size: int = 20


class CountSegment(SegmentQuery, tag="count-segment", frozen=True, kw_only=True):
    """Answers `MemberCount`."""


class FindSegmentReferences(SegmentQuery, tag="find-segment-references", frozen=True, kw_only=True):
    """The segments whose conditions name this one. Answers a list of `NamedReference`."""


class ExplainMembership(SegmentQuery, tag="explain-membership", frozen=True, kw_only=True):
    """Why is the contact in the segment, or not? Answers `Explanation`."""

    contact_id: UUID


class SegmentView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    slug: str
    description: str | None
    type_: SegmentType = msgspec.field(name="type")
    condition: Condition | None
    track_membership: bool
    member_count: int
    created_at: Instant
    updated_at: Instant


class DeletedSegment(View, frozen=True, kw_only=True):
    id: UUID


class SegmentContacts(View, frozen=True, kw_only=True):
    data: list[ContactView]
    total: int
    page: int
    page_size: int
    total_pages: int


class AddedMembers(View, frozen=True, kw_only=True):
    """How many contacts are newly on the list, how many of them were created for it, and the addresses that no contact
    has."""

    added: int
    created: int
    not_found: list[str]


class RemovedMembers(View, frozen=True, kw_only=True):
    """How many contacts were on the list and are no more."""

    removed: int


class ComputedSegment(View, frozen=True, kw_only=True):
    """`total` members; `added` entered and `removed` left since the last time that this was asked."""

    added: int
    removed: int
    total: int


class MemberCount(View, frozen=True, kw_only=True):
    member_count: int


class NamedReference(View, frozen=True, kw_only=True):
    id: UUID
    name: str


class FilterVerdict(View, frozen=True, kw_only=True):
    """`actual` is what the contact has where the filter looks; null is nothing."""

    field: str
    operator: str
    value: Any
    unit: str | None
    matches: bool
    actual: Any


class GroupVerdict(View, frozen=True, kw_only=True):
    matches: bool
    filters: list[FilterVerdict]
    conditions: "ConditionVerdict | None"


class ConditionVerdict(View, frozen=True, kw_only=True):
    matches: bool
    logic: Literal["AND", "OR"]
    groups: list[GroupVerdict]


class Explanation(View, frozen=True, kw_only=True):
    """`condition` is null for a static segment: its members are who is on its list, since `member_since`."""

    segment_id: UUID
    contact_id: UUID
    matches: bool
    condition: ConditionVerdict | None
    member_since: Instant | None
