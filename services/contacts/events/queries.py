"""Queries about tracked events."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from libs.kernel.cursors import decode_cursor, encode_cursor
from libs.kernel.instants import iso
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import fitting
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.events import (
    ContactAddress,
    CountEvents,
    EventCount,
    EventList,
    EventUse,
    GetEventUse,
    ListEvents,
    TrackedEventView,
)
from libs.schemas.contacts.segments import NamedReference
from services.contacts.contacts.errors import contact_not_found
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.events.read_models import tracked_event
from services.contacts.events.read_models.tracked_event import TrackedEventRow
from services.contacts.segments.condition import topics
from services.contacts.segments.read_models import segment as segments

MAX_LIMIT = 1000


async def list_events(conn: Connection, project: UUID, query: ListEvents) -> EventList:
    """Return a page of events, newest first. A limit out of range is moved into it."""
    if query.contact_id and not await contacts.load(conn, [], [(project, query.contact_id)]):
        raise contact_not_found()
    limit = min(max(query.limit, 1), MAX_LIMIT)
    before = decode_cursor(query.cursor) if query.cursor else tracked_event.LAST
    rows = await tracked_event.newest(conn, project, query.name, query.contact_id, before, limit + 1)
    shown = fitting([_view(row) for row in rows[:limit]])
    has_more = len(rows) > len(shown)
    return EventList(
        events=shown,
        cursor=encode_cursor(rows[len(shown) - 1].at, rows[len(shown) - 1].id) if has_more else None,
        has_more=has_more,
    )


async def count_events(conn: Connection, project: UUID, query: CountEvents) -> list[EventCount]:
    since = datetime.fromisoformat(query.since) if query.since else tracked_event.EVER[0]
    until = datetime.fromisoformat(query.until) if query.until else tracked_event.EVER[1]
    return [
        EventCount(name=name, count=count) for name, count in await tracked_event.counts(conn, project, since, until)
    ]


async def get_event_use(conn: Connection, project: UUID, query: GetEventUse) -> EventUse:
    return EventUse(
        used_in_segments=await find_segments_using(conn, project, query.name),
        total_count=await tracked_event.total(conn, project, query.name, tracked_event.EVER[1]),
        unique_contacts=await tracked_event.unique_contacts(conn, project, query.name),
    )


async def find_segments_using(conn: Connection, project: UUID, name: str) -> list[NamedReference]:
    """Return the segments whose conditions ask about the event."""
    rows = await segments.list_all(conn, project)
    return [
        NamedReference(id=row.id, name=row.name)
        for row in rows
        if row.condition and f"event.{name}" in topics(row.condition)
    ]


def _view(row: TrackedEventRow) -> TrackedEventView:
    return TrackedEventView(
        id=row.id,
        name=row.name,
        contact_id=row.contact_id,
        contact=ContactAddress(email=row.email),
        data=row.data,
        created_at=iso(row.at),
    )


QUERIES: Mapping[type[Query], QueryHandler] = {
    ListEvents: list_events,
    CountEvents: count_events,
    GetEventUse: get_event_use,
}
