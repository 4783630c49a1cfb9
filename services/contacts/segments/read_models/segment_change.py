"""A queue of contacts to check again, because something happened to them that a segment's condition asks about.

It is written in the transaction of the event, and only if a segment of the project asks about it. The membership
worker takes what it checks. A rebuild has every contact checked again, which leaves correct memberships as they are.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope, Meta, meta_of
from libs.runtime.eventstore.store import Connection
from libs.schemas import registry
from libs.schemas.contacts.contacts import ContactDeleted, ContactEvent, EventTracked
from libs.schemas.contacts.segments import SegmentMembersAdded, SegmentMembersRemoved
from services.contacts.contacts.read_models import contact_activity
from services.contacts.contacts.read_models.contact_activity import activity_of

NAME = "segment_change"
TABLES = ("segment_change",)
EVENTS = (
    *(kind for kind in registry.events() if issubclass(kind, ContactEvent)),
    ContactDeleted,
    EventTracked,
    *contact_activity.ACTIVITIES,
    SegmentMembersAdded,
    SegmentMembersRemoved,
)

DDL = """
create table if not exists segment_change (
    project uuid not null,
    position bigint generated always as identity,
    contact_id uuid not null,
    meta jsonb not null,
    primary key (project, position)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 10000);
"""

# A segment that is created while this runs is not seen here, and therefore scans all contacts.
TOPICS = """
select project, topics from segment_state where project = any($1::uuid[]) and topics is not null
"""
ADD = """
insert into segment_change (project, contact_id, meta)
select project, contact_id, meta
from unnest($1::uuid[], $2::uuid[], $3::jsonb[]) with ordinality as new (project, contact_id, meta, place)
order by place
"""

TAKE = """
delete from segment_change
where project = $1 and position = any(array(
    select position from segment_change where project = $1 order by position limit $2
))
returning contact_id, meta
"""

ANYTHING = ""
"""The topic of a change to the contact itself, which every condition may ask about."""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    wanted: dict[UUID, set[str]] = {}
    for row in await conn.fetch(TOPICS, list({event.project for event in events})):
        wanted.setdefault(row["project"], {ANYTHING}).update(row["topics"])
    changes = {
        (event.project, contact): event
        for event in events
        if event.project in wanted
        for contact, topic in _topics_of(event.message)
        if topic in wanted[event.project]
    }
    if changes:
        await conn.execute(
            ADD,
            [project for project, _ in changes],
            [contact for _, contact in changes],
            [encode(event.causes()).decode() for event in changes.values()],
        )


async def take(conn: Connection, project: UUID, limit: int) -> tuple[int, dict[UUID, Meta]]:
    """Take up to `limit` entries from the queue. Return their number, and the cause of each change by contact."""
    rows = await conn.fetch(TAKE, project, limit)
    return len(rows), {row["contact_id"]: meta_of(row["meta"]) for row in rows}


def _topics_of(event: Any) -> list[tuple[UUID, str]]:
    match event:
        case EventTracked():
            return [(event.contact_id, f"event.{event.name}")]
        case SegmentMembersAdded() | SegmentMembersRemoved():
            return [(contact, ANYTHING) for contact in event.contact_ids]
        case ContactEvent() | ContactDeleted():
            return [(event.contact_id, ANYTHING)]
        case _:
            name = activity_of(event)
            return [(event.contact_id, f"activity.{name}")] if name else []
