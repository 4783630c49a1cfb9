"""All tracked events, for listing and counting. The counts per contact are in `contact_event`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.rows import insert_rows
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import ContactDeleted, EventTracked
from libs.schemas.contacts.events import Erased, EventsErased

NAME = "tracked_event"
TABLES = ("tracked_event",)
EVENTS = (EventTracked, ContactDeleted, EventsErased)

DDL = """
create table if not exists tracked_event (
    project uuid not null,
    id uuid not null,
    contact_id uuid not null,
    name text not null,
    data jsonb not null,
    at timestamptz not null
);
create index if not exists tracked_event_contact on tracked_event (project, contact_id, at, id);
"""
INDEXES = """
create index if not exists tracked_event_newest on tracked_event (project, at, id);
create index if not exists tracked_event_name on tracked_event (project, name, at, id);
"""

INSERT = """
insert into tracked_event (project, id, contact_id, name, data, at)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::timestamptz[])
"""
INSERTED = ["project", "id", "contact_id", "name", "data", "at"]

DELETE_CONTACTS = """
delete from tracked_event using unnest($1::uuid[], $2::uuid[]) as gone (project, contact_id)
where tracked_event.project = gone.project and tracked_event.contact_id = gone.contact_id
"""

ERASE = """
delete from tracked_event
where project = $1 and contact_id = any($2::uuid[]) and name = $3 and at <= $4
"""

LIST = """
select tracked_event.id, contact_id, email, name, tracked_event.data, at
from tracked_event
join contact on contact.project = tracked_event.project and contact.id = contact_id
where tracked_event.project = $1 and (at, tracked_event.id) < ($2, $3) {narrowed}
order by at desc, tracked_event.id desc
limit $4
"""
NARROWED = {"all": "", "name": "and name = $5", "contact": "and contact_id = $5"}

# Names are found by leaps over the index, then each is counted in it.
COUNT = """
with recursive named as (
    (select name from tracked_event where project = $1 order by name limit 1)
    union all
    select (select name from tracked_event where project = $1 and tracked_event.name > named.name order by name limit 1)
    from named where named.name is not null
)
select name, counted.count
from named, lateral (
    select count(*) from tracked_event
    where project = $1 and tracked_event.name = named.name and at between $2 and $3
) as counted
where name is not null and counted.count > 0
order by counted.count desc, name
limit $4
"""

TOTAL = "select count(*) from tracked_event where project = $1 and name = $2 and at <= $3"
UNIQUE = "select count(distinct contact_id) from tracked_event where project = $1 and name = $2"

# Whole contacts at a time, so the counters of each contact can be reduced by the number of its deleted events.
TO_ERASE = """
select contact_id, count(*) from tracked_event
where project = $1 and name = $2 and at <= $3 and contact_id in (
    select contact_id from tracked_event where project = $1 and name = $2 and at <= $3 order by at limit $4
)
group by contact_id order by contact_id
"""

LAST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""The position before the newest event, where a list starts."""

EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
MAX_NAMES = 5000

_decode: msgspec.json.Decoder[Data] = msgspec.json.Decoder(Data)


class TrackedEventRow(msgspec.Struct, frozen=True):
    """An event with the current address of its contact."""

    id: UUID
    contact_id: UUID
    email: str
    name: str
    data: Data
    at: datetime


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Insert before deleting. Reordering a batch is safe because no event of a contact follows its deletion."""
    tracked = [envelope for envelope in events if isinstance(envelope.message, EventTracked)]
    deleted = [envelope for envelope in events if isinstance(envelope.message, ContactDeleted)]
    rows = [
        (
            envelope.project,
            envelope.message.event_id,
            envelope.message.contact_id,
            envelope.message.name,
            encode(envelope.message.data).decode(),
            envelope.at,
        )
        for envelope in tracked
    ]
    await insert_rows(conn, INSERT, "tracked_event", INSERTED, rows)
    if deleted:
        await conn.execute(DELETE_CONTACTS, [e.project for e in deleted], [e.message.contact_id for e in deleted])
    for envelope in events:
        if isinstance(erased := envelope.message, EventsErased):
            ids = [contact.contact_id for contact in erased.contacts]
            await conn.execute(ERASE, envelope.project, ids, erased.name, datetime.fromisoformat(erased.through))


async def newest(
    conn: Connection,
    project: UUID,
    name: str | None,
    contact_id: UUID | None,
    before: tuple[datetime, UUID],
    limit: int,
) -> list[TrackedEventRow]:
    """Return events before the position, newest first: of a contact, of a name, or all."""
    by = "contact" if contact_id else "name" if name is not None else "all"
    wanted = [] if by == "all" else [contact_id or name]
    rows = await conn.fetch(LIST.format(narrowed=NARROWED[by]), project, *before, limit, *wanted)
    return [
        TrackedEventRow(row["id"], row["contact_id"], row["email"], row["name"], _decode.decode(row["data"]), row["at"])
        for row in rows
    ]


async def counts(conn: Connection, project: UUID, since: datetime, until: datetime) -> list[tuple[str, int]]:
    """Return how often each event was tracked, the most frequent first."""
    return [(row["name"], row["count"]) for row in await conn.fetch(COUNT, project, since, until, MAX_NAMES)]


async def total(conn: Connection, project: UUID, name: str, until: datetime) -> int:
    found: int = await conn.fetchval(TOTAL, project, name, until)
    return found


async def unique_contacts(conn: Connection, project: UUID, name: str) -> int:
    found: int = await conn.fetchval(UNIQUE, project, name)
    return found


async def to_erase(conn: Connection, project: UUID, name: str, until: datetime, limit: int) -> list[Erased]:
    """Return some contacts that still have such events, each with their number; none if nothing is left."""
    rows = await conn.fetch(TO_ERASE, project, name, until, limit)
    return [Erased(contact_id=row["contact_id"], count=row["count"]) for row in rows]
