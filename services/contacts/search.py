"""Finding contacts by a part of their address, newest first.

Two ways, because no single one is fast for both. What few contacts have (`ann.lee`) is found by the index of trigrams.
What many have (`gmail`) would take that index long, but is soon found among the newest contacts; so is what is too
short to have a trigram. Whichever it is, an answer takes about as long in a list of a million as in one of ten
thousand: who is not among the newest is on one of the pages that follow.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from libs.runtime.store import Connection
from services.contacts.read_models.contact import Row, row_of

NEAR, FAR = 2000, 10_000
"""How many of the newest contacts are looked at: before it is asked how many have it, and if many do."""

MANY = 20_000
"""So many contacts are found among the newest sooner than by the index."""

SAMPLE = 1000

SHORTEST = 3
"""Bytes; what is shorter has no trigram."""

COUNTED = 1000
"""Further than this, matches are not counted."""

Place: TypeAlias = tuple[datetime, UUID]

END: Place = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""The place after the oldest contact."""

PLACE = """
select created_at, id from contact
where project = $1 and (created_at, id) < ($2, $3)
order by created_at desc, id desc
offset $4 - 1 limit 1
"""

BETWEEN = """
select project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until
from contact
where project = $1 and (created_at, id) < ($2, $3) and (created_at, id) >= ($4, $5) and strpos(email, $6) > 0
order by created_at desc, id desc
limit $7
"""

# Materialized, so that the planner does not take the order by time for the way to the first few.
BY_TRIGRAMS = """
with found as materialized (
    select id, created_at from contact
    where project = $1 and trigrams(project, email) @> trigrams($1, $4) and strpos(email, $4) > 0
), shown as (
    select id from found where (created_at, id) < ($2, $3) order by created_at desc, id desc limit $5
)
select project, contact.id, email, subscribed, data, version, created_at, updated_at, snoozed_until
from shown join contact on contact.project = $1 and contact.id = shown.id
order by created_at desc, contact.id desc
"""

# Estimated from some pages of the table, because statistics know of trigrams only one by one.
HAVE_MANY = """
with contacts as (select greatest(reltuples, 1)::float8 as number from pg_class where oid = 'contact'::regclass)
select count(*) * (select number from contacts) / $3 >= $4
from contact tablesample system (least(100, 100 * $3::float8 / (select number from contacts)))
where project = $1 and strpos(email, $2) > 0
"""

COUNT_BETWEEN = """
select count(*) from (
    select from contact
    where project = $1 and (created_at, id) < ($2, $3) and (created_at, id) >= ($4, $5) and strpos(email, $6) > 0
    limit $7
) as counted
"""
COUNT_BY_TRIGRAMS = """
select count(*) from (
    select from contact
    where project = $1 and trigrams(project, email) @> trigrams($1, $2) and strpos(email, $2) > 0 limit $3
) as counted
"""


class Found(msgspec.Struct, frozen=True):
    """Contacts, and the place up to which they were sought; that is END unless there may be more."""

    rows: Sequence[Row]
    until: Place


async def page(conn: Connection, project: UUID, after: Place, search: str, limit: int) -> Found:
    """Contacts whose address contains `search` (lower-case), from the place `after`."""
    found = await _among_newest(conn, project, after, search, limit, NEAR)
    if len(found.rows) == limit or found.until == END:
        return found
    if await _few_have(conn, project, search):
        rows = await conn.fetch(BY_TRIGRAMS, project, *after, search, limit)
        return Found([row_of(row) for row in rows], END)
    return await _among_newest(conn, project, after, search, limit, FAR)


async def count(conn: Connection, project: UUID, after: Place, search: str) -> int:
    """How many addresses contain it, up to COUNTED; of what many have, as far as a page looks."""
    until = await _place(conn, project, after, FAR)
    if until != END and await _few_have(conn, project, search):
        found: int = await conn.fetchval(COUNT_BY_TRIGRAMS, project, search, COUNTED)
    else:
        found = await conn.fetchval(COUNT_BETWEEN, project, *after, *until, search, COUNTED)
    return found


async def _among_newest(conn: Connection, project: UUID, after: Place, search: str, limit: int, window: int) -> Found:
    until = await _place(conn, project, after, window)
    rows = await conn.fetch(BETWEEN, project, *after, *until, search, limit)
    return Found([row_of(row) for row in rows], until)


async def _place(conn: Connection, project: UUID, after: Place, further: int) -> Place:
    row = await conn.fetchrow(PLACE, project, *after, further)
    return (row["created_at"], row["id"]) if row else END


async def _few_have(conn: Connection, project: UUID, search: str) -> bool:
    """Would the index find them soon?"""
    if len(search.encode()) < SHORTEST:
        return False
    return not await conn.fetchval(HAVE_MANY, project, search, SAMPLE, MANY)
