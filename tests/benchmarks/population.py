"""Populations to measure on: contacts with five tracked events each, as importing and tracking would leave them.

Set-based SQL writes them into the log and the read models and builds the indexes last: a million contacts take a few
minutes. The same number of contacts always gives the same population: data and events follow from a hash. The encrypted
parts of the log are blank, as if all contacts had been erased.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

EVENTS_EACH = 5

# Ids sort by creation time, like those of real contacts. One in a hundred is unsubscribed.
CONTACTS = """
insert into contact (project, id, email, subscribed, data, version, created_at, updated_at)
select $1::uuid, id, 'user' || n || '@example' || n % 1000 || '.com', n % 100 <> 0,
    jsonb_build_object(
        'plan', case when dice % 100 < 70 then 'free' when dice % 100 < 95 then 'pro' else 'team' end,
        'country', (array['de', 'fr', 'it', 'es', 'pl', 'nl', 'se', 'us', 'gb', 'jp'])[1 + dice / 100 % 10],
        'score', dice / 1000 % 1000,
        'seats', 1 + dice / 7 % 50,
        'firstName', 'Name ' || dice % 5000,
        'trialEndsAt', to_char(now() + (dice % 120 - 60) * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    ),
    1, created_at, created_at
from (
    select n, hashint4(n) & 1073741823 as dice, now() - (2000000 - n) * interval '30 seconds' as created_at,
        (lpad(to_hex(n), 12, '0') || '70008000' || substr(md5($1::uuid::text || n), 1, 12))::uuid as id
    from generate_series(1, $2::int) as n
) as person
"""

# Everyone signed up; some logged in, bought, invited or upgraded. The counts of a contact add up to EVENTS_EACH.
COUNTERS = """
insert into contact_event (project, contact_id, name, count, first_at, last_at)
select $1, contact.id, happened.name, happened.times,
    case happened.times when 1 then last.at else contact.created_at end, last.at
from contact
cross join lateral (select hashtext(contact.id::text) & 1073741823 as dice) as thrown
cross join lateral (
    values ('signup', 5 - 2 * (dice % 10 < 6)::int - (dice % 100 < 20)::int, 700, true),
        ('login', 2, 90, dice % 10 < 6),
        (case when dice / 100 % 4 = 0 then 'upgrade' else 'purchase' end, 1, 365, dice % 100 < 20)
) as happened (name, times, days, holds)
cross join lateral (
    select greatest(contact.created_at, now() - (dice % happened.days) * interval '1 day' - interval '1 hour') as at
) as last
where contact.project = $1 and happened.holds
"""
TRACKED = """
insert into tracked_event (project, id, contact_id, name, data, at)
select project, uuidv7(at - now()), contact_id, name, '{"amount": 5}', at
from (
    select project, contact_id, name,
        last_at - (last_at - first_at) * (count - number) / greatest(count - 1, 1) as at
    from contact_event cross join generate_series(1, count) as number
    where project = $1
) as happened
"""

FIELDS = """
insert into contact_field (project, field, kind, shard, count)
select $1, field, case field when 'trialEndsAt' then 'date' else jsonb_typeof(data -> field) end, 0, $2
from (select data from contact where project = $1 limit 1) as any_contact cross join jsonb_object_keys(data) as field
"""
VALUES = """
insert into contact_value (project, field, value, shard, count)
select $1, field, value::text, 0, count(*)
from contact cross join jsonb_each(data) as own (field, value)
where project = $1 and field <> 'firstName'
group by field, value
"""
COUNT = "insert into contact_count (project, shard, count) values ($1, 0, $2)"
OPEN = "insert into contact_field_open (project, field) values ($1, 'firstName')"

KEYS = "insert into person_key (project, person, key) select project, id, sha256(uuid_send(id)) from contact"
LOG = """
insert into events (position, id, project, stream, version, type, schema_version, data, meta, recorded_at)
select position, uuidv7(at - now()), project, stream, 1, type, 1, data, '{"actor": "api"}', at
from (
    select row_number() over () + (select coalesce(max(position), 0) from events) as position, *
    from (
        select project, 'contact-' || id as stream, 'contact.created' as type, created_at as at,
            jsonb_build_object(
                'type', 'contact.created', 'contactId', id, 'email', '', 'subscribed', subscribed,
                'data', '{}'::jsonb, '_sealed', null
            ) as data
        from contact
        union all
        select project, 'event-' || id, 'event.tracked', at,
            jsonb_build_object(
                'type', 'event.tracked', 'eventId', id, 'contactId', contact_id, 'email', '', 'name', name,
                'data', '{}'::jsonb, '_sealed', null
            )
        from tracked_event
    ) as fact
) as placed
"""
PLACES = "select setval('append', (select max(position) >> 20 from events) + 1)"
NUMBERED = """
with piece as (
    insert into published (sequence, position, events) select 1, min(position), count(*) from events returning events
)
update relay set sequence = events from piece
"""

TABLES = ["contact", "contact_event", "tracked_event", "person_key", "events"]
CONSTRAINTS = """
select conrelid::regclass::text as of, conname as name, pg_get_constraintdef(oid) as definition
from pg_constraint where conrelid = any($1::text[]::regclass[]) and contype in ('p', 'u')
"""
INDEXES = """
select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
from pg_index where indrelid = any($1::text[]::regclass[])
    and not exists (select from pg_constraint where conindid = indexrelid)
"""


async def populate(conn: "asyncpg.Connection[Any]", sizes: Mapping[UUID, int]) -> None:
    """Fill new projects with this many contacts each. No service may be running, and the tables must be empty.

    `conn` is the owner's, with the schema of the contacts service as its search_path.
    """
    async with without_indexes(conn):
        for project, contacts in sizes.items():
            await conn.execute(CONTACTS, project, contacts)
            await conn.execute(COUNTERS, project)
            await conn.execute(TRACKED, project)
            await conn.execute(FIELDS, project, contacts)
            await conn.execute(VALUES, project)
            await conn.execute(COUNT, project, contacts)
            await conn.execute(OPEN, project)
        for statement in (KEYS, LOG, PLACES, NUMBERED):
            await conn.execute(statement)
    for table in TABLES:
        await conn.execute(f"vacuum (analyze) {table}")


@asynccontextmanager
async def without_indexes(conn: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """Drop the indexes of TABLES, and build them again at the end."""
    constraints = await conn.fetch(CONSTRAINTS, TABLES)
    indexes = await conn.fetch(INDEXES, TABLES)
    for each in constraints:
        await conn.execute(f'alter table {each["of"]} drop constraint "{each["name"]}"')
    for each in indexes:
        await conn.execute(f"drop index {each['name']}")
    yield
    await conn.execute("set maintenance_work_mem = '512MB'")
    for each in constraints:
        await conn.execute(f'alter table {each["of"]} add constraint "{each["name"]}" {each["definition"]}')
    for each in indexes:
        await conn.execute(each["definition"])
