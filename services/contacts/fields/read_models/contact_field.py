"""Counts of contacts, of who has which custom field, and of the values that fields have.

Counted with every change of a contact, so that asking costs the same for a million contacts as for ten. Each
database session adds to rows of its own shard: two transactions never wait for one counter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.rows import COPY_THRESHOLD
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.fields import FieldType
from services.contacts.fields.count_deltas import Tally, Value

TABLES = ("contact_count", "contact_field", "contact_value", "contact_field_open")

DDL = """
create table if not exists contact_count (
    project uuid not null,
    shard smallint not null,
    count bigint not null,
    primary key (project, shard)
) with (fillfactor = 50);

create table if not exists contact_field (
    project uuid not null,
    field text collate "C" not null,
    kind text not null,
    shard smallint not null,
    count bigint not null,
    primary key (project, field, kind, shard)
) with (fillfactor = 50);

create table if not exists contact_value (
    project uuid not null,
    field text collate "C" not null,
    value text collate "C" not null,    -- JSON
    shard smallint not null,
    count bigint not null,
    primary key (project, field, value, shard)
) with (fillfactor = 50);

-- Fields with more values than anybody chooses from: those are not counted.
create table if not exists contact_field_open (
    project uuid not null,
    field text collate "C" not null,
    primary key (project, field)
);
"""

SHARDS = 8
MAX_VALUES = 1000
"""Of one field. One with more is open: its values are not counted any more."""

SAMPLE = 5000
"""How many of the newest contacts tell the values of an open field."""

# All in one statement, and in one order, so that transactions that share counters cannot wait for each other.
ADD = """
with new_contacts as (
    insert into contact_count (project, shard, count)
    select project, pg_backend_pid() % $1, count from unnest($2::uuid[], $3::bigint[]) as new (project, count)
    order by project
    on conflict (project, shard) do update set count = contact_count.count + excluded.count
), new_fields as (
    insert into contact_field (project, field, kind, shard, count)
    select project, field, kind, pg_backend_pid() % $1, count
    from unnest($4::uuid[], $5::text[], $6::text[], $7::bigint[]) as new (project, field, kind, count)
    order by project, field, kind
    on conflict (project, field, kind, shard) do update set count = contact_field.count + excluded.count
), new_values as (
    insert into contact_value (project, field, value, shard, count)
    select project, field, value, pg_backend_pid() % $1, count
    from unnest($8::uuid[], $9::text[], $10::text[], $11::bigint[]) as new (project, field, value, count)
    where not exists (
        select from contact_field_open as open where open.project = new.project and open.field = new.field
    )
    order by project, field, value
    on conflict (project, field, value, shard) do update set count = contact_value.count + excluded.count
    returning project, field, xmax = 0 as fresh
)
select distinct project, field from new_values where fresh
"""
CROWDED = """
select project, field
from unnest($1::uuid[], $2::text[]) as grown (project, field)
where $3 < (
    select count(distinct value) from contact_value
    where contact_value.project = grown.project and contact_value.field = grown.field
)
order by project, field
"""
MAKE_OPEN = """
insert into contact_field_open select * from unnest($1::uuid[], $2::text[]) on conflict do nothing
"""
DROP_VALUES = """
delete from contact_value using unnest($1::uuid[], $2::text[]) as open (project, field)
where contact_value.project = open.project and contact_value.field = open.field
"""

# A value that nobody has any more may be somebody's name: it is not kept. What is deleted adds up to nothing, so the
# sums stay right whatever other transactions add meanwhile. Locked, which is written, are only those of nobody.
FORGET_VALUES = """
with nobodys as materialized (
    select project, field, value
    from unnest($1::uuid[], $2::text[], $3::text[]) as gone (project, field, value)
    join contact_value using (project, field, value)
    group by project, field, value having sum(count) = 0
), counter as materialized (
    select value.ctid, value.project, value.field, value.value, value.count
    from nobodys join contact_value as value using (project, field, value)
    for update of value skip locked
)
delete from contact_value where ctid = any(array(
    select counter.ctid from counter
    where (project, field, value) in (
        select project, field, value from counter group by project, field, value having sum(count) = 0
    )
))
"""
OPEN = """
select project, field from contact_field_open
where (project, field) in (select project, field from unnest($1::uuid[], $2::text[]) as asked (project, field))
"""
IS_OPEN = "select exists (select from contact_field_open where project = $1 and field = $2)"
CONTACTS = "select coalesce(sum(count), 0)::bigint from contact_count where project = $1"
FIELDS = """
select field, kind, sum(count)::bigint as count from contact_field
where project = $1 and ($2::text is null or field = $2)
group by field, kind having sum(count) > 0 order by field
"""
VALUES = """
select value from contact_value where project = $1 and field = $2 group by value having sum(count) > 0
"""
SAMPLED = """
select distinct (data -> $2)::text as value
from (select data from contact where project = $1 order by created_at desc, id desc limit $3) as newest
where jsonb_typeof(data -> $2) in ('string', 'number', 'boolean') and length((data -> $2)::text) <= 100
limit $4
"""


class Known(msgspec.Struct, frozen=True):
    """How many contacts have a field, by the type of what they have there."""

    kinds: Mapping[FieldType, int]

    @property
    def contacts(self) -> int:
        return sum(self.kinds.values())

    @property
    def type(self) -> FieldType:
        """Mixed types are text."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else "string"


async def add(conn: Connection, tally: Tally) -> None:
    """Count what a batch changed."""
    kinds, values = tally.kinds, await _counted(conn, tally.values)
    counts: tuple[list[tuple[Any, ...]], ...] = (
        [(project, count) for project, count in tally.contacts.items() if count],
        [(*key, count) for key, count in kinds.items() if count],
        [(*key, count) for key, count in values.items() if count],
    )
    if any(counts):
        columns = (column for rows, width in zip(counts, (2, 4, 4), strict=True) for column in _columns(rows, width))
        grown = await conn.fetch(ADD, SHARDS, *columns)
        if grown:
            await _close(conn, [tuple(row) for row in grown])
    if gone := [key for key, count in values.items() if count < 0]:
        await conn.execute(FORGET_VALUES, *_columns(gone, 3))


async def contacts(conn: Connection, project: UUID) -> int:
    count: int = await conn.fetchval(CONTACTS, project)
    return count


async def fields(conn: Connection, project: UUID, field: str | None = None) -> dict[str, Known]:
    """The custom fields that contacts have, or that one, by their names."""
    found: dict[str, dict[FieldType, int]] = {}
    for row in await conn.fetch(FIELDS, project, field):
        found.setdefault(row["field"], {})[row["kind"]] = row["count"]
    return {name: Known(kinds) for name, kinds in found.items()}


async def values(conn: Connection, project: UUID, field: str) -> list[Any]:
    """Texts, numbers and booleans that contacts have there: all, or of an open field some of the newest contacts'."""
    if await conn.fetchval(IS_OPEN, project, field):
        rows = await conn.fetch(SAMPLED, project, field, SAMPLE, MAX_VALUES)
    else:
        rows = await conn.fetch(VALUES, project, field)
    return [msgspec.json.decode(row["value"]) for row in rows]


async def _counted(conn: Connection, values: Counter[Value]) -> Counter[Value]:
    """Those that are not of open fields, if there are many: everybody may have another name, and names are not
    counted."""
    if len(values) < COPY_THRESHOLD:
        return values
    fields = list({(project, field) for project, field, _ in values})
    uncounted = {(row["project"], row["field"]) for row in await conn.fetch(OPEN, *_columns(fields, 2))}
    return Counter({value: count for value, count in values.items() if value[:2] not in uncounted})


async def _close(conn: Connection, grown: Sequence[tuple[Any, ...]]) -> None:
    """Stop counting the values of fields that have too many by now."""
    has_backpressure = [tuple(row) for row in await conn.fetch(CROWDED, *_columns(grown, 2), MAX_VALUES)]
    if has_backpressure:
        await conn.execute(MAKE_OPEN, *_columns(has_backpressure, 2))
        await conn.execute(DROP_VALUES, *_columns(has_backpressure, 2))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[n] for row in rows] for n in range(width)]
