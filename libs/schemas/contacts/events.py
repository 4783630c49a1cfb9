"""Tracked events: queries about them, and deleting them by name."""

from typing import ClassVar
from uuid import UUID

from libs.schemas.base import Command, Data, Instant, Query, View
from libs.schemas.contacts.jobs import JobEvent
from libs.schemas.contacts.segments import NamedReference


class DeleteEvents(Command, tag="delete-events", frozen=True, kw_only=True):
    """Delete all events of this name tracked so far, in a job. Reply: `EventsDeleted`.

    Rejected for reserved names, and while conditions of segments use the name.
    """

    service: ClassVar[str] = "contacts"
    job_id: UUID
    name: str


class EventDeletionStarted(JobEvent, tag="event-deletion.started", frozen=True, kw_only=True):
    """A job starts deleting the events of this name that were tracked up to `through`."""

    name: str
    through: Instant
    rows: int


class EventsErased(JobEvent, tag="event-deletion.progressed", frozen=True, kw_only=True):
    """The events of these contacts under this name, up to `through`, are erased."""

    name: str
    through: Instant
    contacts: list["Erased"]


class Erased(View, frozen=True, kw_only=True):
    """The number of erased events of a contact."""

    contact_id: UUID
    count: int


class TrackedEventsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class ListEvents(TrackedEventsQuery, tag="list-events", frozen=True, kw_only=True):
    """List events, newest first: of a name or a contact, or all. Reply: `EventList`."""

    name: str | None = None
    contact_id: UUID | None = None
    limit: int = 100
    cursor: str | None = None


class CountEvents(TrackedEventsQuery, tag="count-events", frozen=True, kw_only=True):
    """Count events by name between two instants, the most frequent first. Reply: a list of `EventCount`."""

    since: Instant | None = None
    until: Instant | None = None


class GetEventUse(TrackedEventsQuery, tag="get-event-use", frozen=True, kw_only=True):
    """Reply: `EventUse`."""

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
    """`cursor` is the start of the next page, if there is one."""

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
    """The number of events to delete."""

    deleted_count: int
