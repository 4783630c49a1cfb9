"""Counts of contacts, of the contacts that have each custom field, and of the values of each field.

The counts change with every change of a contact, so reading them costs the same for a million contacts as for ten.
Each database session adds to the rows of its own shard, so two transactions never wait for the same counter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.rows import COPY_THRESHOLD
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.fields import FieldType
from services.contacts.fields.count_deltas import CountDeltas, FieldValueKey

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

-- Fields with too many values to choose from: their values are not counted.
create table if not exists contact_field_open (
    project uuid not null,
    field text collate "C" not null,
    primary key (project, field)
);
"""

SHARDS = 8
MAX_VALUES = 1000
"""Per field. The values of a field with more are no longer counted: the field is open."""

SAMPLE = 5000
"""How many of the newest contacts are read for the values of an open field."""

# One statement, in a fixed order, so transactions that share counters cannot deadlock.
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
OVER_LIMIT = """
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

# A value that no contact has any more may be a person's name, so it is not kept. The deleted rows of a value sum to
# zero, so the totals stay right whatever other transactions add meanwhile. Only rows of unused values are locked
# (locking writes them).
DELETE_UNUSED_VALUES = """
with unused as materialized (
    select project, field, value
    from unnest($1::uuid[], $2::text[], $3::text[]) as gone (project, field, value)
    join contact_value using (project, field, value)
    group by project, field, value having sum(count) = 0
), counter as materialized (
    select value.ctid, value.project, value.field, value.value, value.count
    from unused join contact_value as value using (project, field, value)
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


class FieldCount(msgspec.Struct, frozen=True):
    """How many contacts have a field, by the type of their value."""

    types: Mapping[FieldType, int]

    @property
    def contacts(self) -> int:
        return sum(self.types.values())

    @property
    def type(self) -> FieldType:
        """Return the type of all values, or text if they have different types."""
        return next(iter(self.types)) if len(self.types) == 1 else "string"


async def add(conn: Connection, deltas: CountDeltas) -> None:
    """Add the differences that a batch made."""
    values = await _of_counted_fields(conn, deltas.values)
    counts: tuple[list[tuple[Any, ...]], ...] = (
        [(project, count) for project, count in deltas.contacts.items() if count],
        [(*key, count) for key, count in deltas.types.items() if count],
        [(*key, count) for key, count in values.items() if count],
    )
    if any(counts):
        columns = (column for rows, width in zip(counts, (2, 4, 4), strict=True) for column in _columns(rows, width))
        with_new_values = await conn.fetch(ADD, SHARDS, *columns)
        if with_new_values:
            await _open_fields_over_limit(conn, [tuple(row) for row in with_new_values])
    if decreased := [key for key, count in values.items() if count < 0]:
        await conn.execute(DELETE_UNUSED_VALUES, *_columns(decreased, 3))


async def count_contacts(conn: Connection, project: UUID) -> int:
    count: int = await conn.fetchval(CONTACTS, project)
    return count


async def load_fields(conn: Connection, project: UUID) -> dict[str, FieldCount]:
    """Return the custom fields that any contact has, by name."""
    return await _load(conn, project, None)


async def count_contacts_with(conn: Connection, project: UUID, field: str) -> int:
    """Return how many contacts have the custom field."""
    found = (await _load(conn, project, field)).get(field)
    return found.contacts if found else 0


async def _load(conn: Connection, project: UUID, field: str | None) -> dict[str, FieldCount]:
    found: dict[str, dict[FieldType, int]] = {}
    for row in await conn.fetch(FIELDS, project, field):
        found.setdefault(row["field"], {})[row["kind"]] = row["count"]
    return {name: FieldCount(types) for name, types in found.items()}


async def load_values(conn: Connection, project: UUID, field: str) -> list[Any]:
    """Return the texts, numbers and booleans that contacts have in the field.

    For an open field these are only values of the newest contacts.
    """
    if await conn.fetchval(IS_OPEN, project, field):
        rows = await conn.fetch(SAMPLED, project, field, SAMPLE, MAX_VALUES)
    else:
        rows = await conn.fetch(VALUES, project, field)
    return [msgspec.json.decode(row["value"]) for row in rows]


async def _of_counted_fields(conn: Connection, values: Counter[FieldValueKey]) -> Counter[FieldValueKey]:
    """Leave out the values of open fields. Few values are not worth the query: the insert skips them anyway."""
    if len(values) < COPY_THRESHOLD:
        return values
    fields = list({(project, field) for project, field, _ in values})
    uncounted = {(row["project"], row["field"]) for row in await conn.fetch(OPEN, *_columns(fields, 2))}
    return Counter({value: count for value, count in values.items() if value[:2] not in uncounted})


async def _open_fields_over_limit(conn: Connection, fields: Sequence[tuple[Any, ...]]) -> None:
    """Stop counting the values of those fields that have too many by now."""
    over = [tuple(row) for row in await conn.fetch(OVER_LIMIT, *_columns(fields, 2), MAX_VALUES)]
    if over:
        await conn.execute(MAKE_OPEN, *_columns(over, 2))
        await conn.execute(DROP_VALUES, *_columns(over, 2))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[n] for row in rows] for n in range(width)]
