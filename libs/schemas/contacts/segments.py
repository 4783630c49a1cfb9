"""Segments: the commands, events, queries and views of the contacts service about them."""

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
    """Create a segment. Its slug is made from the name and does not change later. Reply: `SegmentView`.

    A dynamic segment has a condition; a static one has a list of members instead.
    """

    name: str
    condition: Condition | None = None
    description: str | None = None
    track_membership: bool = False
    kind: SegmentType = "DYNAMIC"


class UpdateSegment(SegmentsCommand, tag="update-segment", frozen=True, kw_only=True):
    """Change the given fields. Reply: `SegmentView`."""

    name: str | None = None
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    condition: Condition | None = None
    track_membership: bool | None = None


class DeleteSegment(SegmentsCommand, tag="delete-segment", frozen=True, kw_only=True):
    """Delete a segment, unless other segments refer to it. Reply: `DeletedSegment`."""


class AddSegmentMembers(SegmentsCommand, tag="add-segment-members", frozen=True, kw_only=True):
    """Add the contacts with these addresses to a static segment. Reply: `AddedMembers`.

    `contact_ids` has an id for each address, for missing contacts that `create_missing` creates.
    """

    emails: list[str]
    contact_ids: list[UUID] = []
    create_missing: bool = False
    subscribed: bool = True


class RemoveSegmentMembers(SegmentsCommand, tag="remove-segment-members", frozen=True, kw_only=True):
    """Reply: `RemovedMembers`."""

    emails: list[str]


class ComputeSegment(SegmentsCommand, tag="compute-segment", frozen=True, kw_only=True):
    """Bring the membership of a tracked segment up to date now. Reply: `ComputedSegment`."""


# --- events ----------------------------------------------------------------------------------------------------------


class SegmentEvent(Event, frozen=True, kw_only=True):
    """An event of a segment. If the segment is tracked, every contact that enters or leaves it gets an `event.tracked`
    named `segment.<slug>.entry` or `segment.<slug>.exit`, with `segmentId` and `segmentName` as data."""

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
    """The segment after the change."""

    name: str
    condition: Condition | None = None
    description: str | None = None
    track_membership: bool = False


class SegmentDeleted(SegmentEvent, tag="segment.deleted", frozen=True, kw_only=True):
    pass


class SegmentMembersAdded(SegmentEvent, tag="segment.members_added", frozen=True, kw_only=True):
    """Contacts were added to the list of a static segment that were not on it before."""

    contact_ids: list[UUID]


class SegmentMembersRemoved(SegmentEvent, tag="segment.members_removed", frozen=True, kw_only=True):
    """Contacts were removed from the list of a static segment."""

    contact_ids: list[UUID]


# --- queries and views -----------------------------------------------------------------------------------------------


class SegmentsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class ListSegments(SegmentsQuery, tag="list-segments", frozen=True, kw_only=True):
    """List segments, newest first. Reply: a list of `SegmentView`."""


class SegmentQuery(SegmentsQuery, frozen=True, kw_only=True):
    segment_id: UUID


class GetSegment(SegmentQuery, tag="get-segment", frozen=True, kw_only=True):
    """Reply: `SegmentView`."""


class ListSegmentContacts(SegmentQuery, tag="list-segment-contacts", frozen=True, kw_only=True):
    """List the current members: of a dynamic segment the newest contact first, of a static one the last added first.
    Reply: `SegmentContacts`."""

    page: int = 1
    page_size: int = 20


class CountSegment(SegmentQuery, tag="count-segment", frozen=True, kw_only=True):
    """Reply: `MemberCount`."""


class FindSegmentReferences(SegmentQuery, tag="find-segment-references", frozen=True, kw_only=True):
    """Find the segments whose conditions name this one. Reply: a list of `NamedReference`."""


class ExplainMembership(SegmentQuery, tag="explain-membership", frozen=True, kw_only=True):
    """Explain why the contact is in the segment or not. Reply: `Explanation`."""

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
    """How many contacts were added to the list, how many were created for it, and the addresses that no contact has."""

    added: int
    created: int
    not_found: list[str]


class RemovedMembers(View, frozen=True, kw_only=True):
    """The number of contacts removed from the list."""

    removed: int


class ComputedSegment(View, frozen=True, kw_only=True):
    """The segment has `total` members; `added` entered and `removed` left since the last such command."""

    added: int
    removed: int
    total: int


class MemberCount(View, frozen=True, kw_only=True):
    member_count: int


class NamedReference(View, frozen=True, kw_only=True):
    id: UUID
    name: str


class FilterVerdict(View, frozen=True, kw_only=True):
    """`actual` is the value that the filter saw; null if the contact has none."""

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
    """`condition` is null for a static segment. `member_since` is the time the contact was added to its list."""

    segment_id: UUID
    contact_id: UUID
    matches: bool
    condition: ConditionVerdict | None
    member_since: Instant | None
