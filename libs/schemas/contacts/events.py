"""Tracked events, which the contacts service keeps: questions about them, and deleting them by their name."""

from typing import ClassVar
from uuid import UUID

from libs.schemas.base import Command, Data, Instant, Query, View
from libs.schemas.contacts.jobs import JobEvent
from libs.schemas.contacts.segments import NamedReference


class DeleteEvents(Command, tag="delete-events", frozen=True, kw_only=True):
    """Forget every event of this name that was tracked so far: a job does it. Refused for names that only the platform
    says, and while segments ask about the name. Answers `EventsDeleted`."""

    service: ClassVar[str] = "contacts"
    job_id: UUID
    name: str


class EventDeletionStarted(JobEvent, tag="event-deletion.started", frozen=True, kw_only=True):
    """Events of this name that were tracked up to `through` are to go."""

    name: str
    through: Instant
    rows: int


class EventsErased(JobEvent, tag="event-deletion.progressed", frozen=True, kw_only=True):
    """What these contacts did under this name, up to `through`, is forgotten."""

    name: str
    through: Instant
    contacts: list["Erased"]


class Erased(View, frozen=True, kw_only=True):
    """How many events of a contact went."""

    contact_id: UUID
    count: int


class TrackedEventsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class ListEvents(TrackedEventsQuery, tag="list-events", frozen=True, kw_only=True):
    """Newest first; only those of a name or of a contact, if one is given. Answers `EventList`."""

    name: str | None = None
    contact_id: UUID | None = None
    limit: int = 100
    cursor: str | None = None


class CountEvents(TrackedEventsQuery, tag="count-events", frozen=True, kw_only=True):
    """How often each event was tracked between two instants, most often first. Answers a list of `EventCount`."""

    since: Instant | None = None
    until: Instant | None = None


class GetEventUse(TrackedEventsQuery, tag="get-event-use", frozen=True, kw_only=True):
    """Answers `EventUse`."""

    name: str


class ContactAddress(View, frozen=True, kw_only=True):
    email: str


class TrackedEventView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    contact_id: UUID
    contact: ContactAddress
    data: Data
    created_at: Instant


class EventList(View, frozen=True, kw_only=True):
    """`cursor` leads on, if there is more."""

    events: list[TrackedEventView]
    cursor: str | None
    has_more: bool


class EventCount(View, frozen=True, kw_only=True):
    name: str
    count: int


class EventUse(View, frozen=True, kw_only=True):
    used_in_segments: list[NamedReference]
    total_count: int
    unique_contacts: int


class EventsDeleted(View, frozen=True, kw_only=True):
    """How many events there were to delete."""

    deleted_count: int
