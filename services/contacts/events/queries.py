"""Answers about tracked events, and deleting them by their name."""

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
from services.contacts.events.read_models import tracked_event as tracked
from services.contacts.segments.condition import topics
from services.contacts.segments.read_models import segment as segments

MAX_LIMIT = 1000


async def list_events(conn: Connection, project: UUID, query: ListEvents) -> EventList:
    """A limit beyond what is allowed is the nearest that is. An answer weighs no more than the bus takes."""
    if query.contact_id and not await contacts.load(conn, [], [(project, query.contact_id)]):
        raise contact_not_found()
    limit = min(max(query.limit, 1), MAX_LIMIT)
    before = decode_cursor(query.cursor) if query.cursor else tracked.LAST
    rows = await tracked.newest(conn, project, query.name, query.contact_id, before, limit + 1)
    shown = fitting([_view(row) for row in rows[:limit]])
    more = len(rows) > len(shown)
    return EventList(
        events=shown,
        cursor=encode_cursor(rows[len(shown) - 1].at, rows[len(shown) - 1].id) if more else None,
        has_more=more,
    )


async def count_events(conn: Connection, project: UUID, query: CountEvents) -> list[EventCount]:
    since = datetime.fromisoformat(query.since) if query.since else tracked.EVER[0]
    until = datetime.fromisoformat(query.until) if query.until else tracked.EVER[1]
    return [EventCount(name=name, count=count) for name, count in await tracked.counts(conn, project, since, until)]


async def get_event_use(conn: Connection, project: UUID, query: GetEventUse) -> EventUse:
    return EventUse(
        used_in_segments=await segments_asking(conn, project, query.name),
        total_count=await tracked.total(conn, project, query.name, tracked.EVER[1]),
        unique_contacts=await tracked.unique_contacts(conn, project, query.name),
    )


async def segments_asking(conn: Connection, project: UUID, name: str) -> list[NamedReference]:
    """The segments whose conditions ask whether this happened."""
    rows = await segments.list_all(conn, project)
    return [
        NamedReference(id=row.id, name=row.name)
        for row in rows
        if row.condition and f"event.{name}" in topics(row.condition)
    ]


def _view(row: tracked.Row) -> TrackedEventView:
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
