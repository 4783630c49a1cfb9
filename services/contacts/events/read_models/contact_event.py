"""Counts the tracked events of each contact by name: how often, when first and when last.

These are counters, not lists, so tracking costs the same for a contact with ten thousand events as for a new one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import EventTracked
from libs.schemas.contacts.events import EventsErased
from services.contacts.contacts.occurrences import columns

NAME = "contact_event"
TABLES = ("contact_event",)
EVENTS = (EventTracked, EventsErased)

DDL = """
create table if not exists contact_event (
    project uuid not null,
    contact_id uuid not null,
    name text not null,
    count bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (project, contact_id, name)
) with (fillfactor = 80);
"""

ADD = """
insert into contact_event (project, contact_id, name, count, first_at, last_at)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
on conflict (project, contact_id, name) do update
    set count = contact_event.count + excluded.count, last_at = greatest(contact_event.last_at, excluded.last_at)
"""


# Events that are left after a deletion happened after it.
SUBTRACT = """
update contact_event set count = contact_event.count - gone.count, first_at = greatest(first_at, $3)
from unnest($4::uuid[], $5::bigint[]) as gone (contact_id, count)
where project = $1 and name = $2 and contact_event.contact_id = gone.contact_id
"""
DROP_EMPTY = """
delete from contact_event where project = $1 and name = $2 and contact_id = any($3::uuid[]) and count <= 0
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Add first, then subtract; the order within a batch does not matter."""
    tracked = [envelope for envelope in events if isinstance(envelope.message, EventTracked)]
    await conn.execute(ADD, *columns((e.project, e.message.contact_id, e.message.name, e.at) for e in tracked))
    for envelope in events:
        if isinstance(erased := envelope.message, EventsErased):
            ids = [contact.contact_id for contact in erased.contacts]
            counts = [contact.count for contact in erased.contacts]
            through = datetime.fromisoformat(erased.through)
            await conn.execute(SUBTRACT, envelope.project, erased.name, through, ids, counts)
            await conn.execute(DROP_EMPTY, envelope.project, erased.name, ids)
