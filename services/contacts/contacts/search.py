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
from msgspec.structs import replace

from libs.runtime.eventstore.store import Connection
from services.contacts.contacts.read_models.contact import Row, row_of

NEAR, FAR = 5_000, 10_000
"""How many of the newest contacts are looked at for a page: for what has no trigram, and for what many have. Of these a
page is mostly full long before; for two letters that nobody has it is the whole way."""

MANY = 2000
"""So many contacts are found among the newest sooner than by the index."""

TOO_MANY = 20_000
"""For so many the index is not asked, even if they are not among the newest."""

SHORTEST = 3
"""Bytes; what is shorter has no trigram."""

COUNTED = 1000
"""Further than this, matches are not counted."""

BLOCKS, APART = 64, 0.01
"""How many blocks of the table are a sample, and how far apart, as a part of the table, those who have it must stand to
be many: a few who came together stand together."""

Place: TypeAlias = tuple[datetime, UUID]

END: Place = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""The place after the oldest contact."""

# In one statement, so that nobody comes or goes between looking at them and learning how far that was.
AMONG_NEWEST = """
with found as materialized (
    select id, created_at from (
        select id, created_at, email from contact
        where project = $1 and (created_at, id) < ($2, $3)
        order by created_at desc, id desc limit $5
    ) as newest
    where strpos(email, $4) > 0
    order by created_at desc, id desc limit $6
), until as (
    select created_at, id from contact
    where (select count(*) from found) < $6 and project = $1 and (created_at, id) < ($2, $3)
    order by created_at desc, id desc offset $5 - 1 limit 1
)
select until.created_at as until_at, until.id as until_id, contact.*
from (values (true)) as always
left join until on true
left join (found join contact on contact.project = $1 and contact.id = found.id) on true
order by contact.created_at desc, contact.id desc
"""
COUNT_AMONG_NEWEST = """
select count(*) from (
    select from (
        select email from contact where project = $1 order by created_at desc, id desc limit $3
    ) as newest
    where strpos(email, $2) > 0 limit $4
) as counted
"""

# Materialized, so that the planner does not take the order by time for the way to the first few.
BY_TRIGRAMS = """
with found as materialized (
    select id, created_at from contact
    where project = $1 and trigrams(project, email) @> trigrams($1, $4) and strpos(email, $4) > 0
), shown as (
    select id from found where (created_at, id) < ($2, $3) order by created_at desc, id desc limit $5
)
select (select count(*) from found) as number, contact.*
from shown join contact on contact.project = $1 and contact.id = shown.id
order by created_at desc, contact.id desc
"""

# Estimated from some pages of the table, because statistics know of trigrams only one by one.
ESTIMATE = """
with whole as (
    select pg_relation_size('contact') / 8192.0 as blocks
), size as (
    select blocks, greatest(blocks / $3, 1) as samples from whole
)
select case when (max(ctid)::text::point)[0] - (min(ctid)::text::point)[0] >= (select blocks * $4 from size)
    then count(*) * (select samples from size) else 0 end::bigint
from contact tablesample system (100 / (select samples from size))
where project = $1 and strpos(email, $2) > 0
"""


class Found(msgspec.Struct, frozen=True):
    """Contacts; the place up to which they were sought, which is END unless there may be more; and, if the page is the
    first, how many there are in all, as far as that is known without counting."""

    rows: Sequence[Row]
    until: Place
    total: int | None = None


async def page(conn: Connection, project: UUID, after: Place, search: str, limit: int) -> Found:
    """Contacts whose address contains `search` (lower-case), from the place `after`."""
    if len(search.encode()) < SHORTEST:
        return await _among_newest(conn, project, after, search, limit, NEAR)
    likely = await _likely(conn, project, search)
    if likely >= MANY:
        found = await _among_newest(conn, project, after, search, limit, FAR)
        if found.until == END and len(found.rows) < limit:
            return found
        if len(found.rows) == limit or likely >= TOO_MANY:
            return replace(found, total=COUNTED)
    return await _by_trigrams(conn, project, after, search, limit)


async def total(conn: Connection, project: UUID, search: str, first: Found) -> int:
    """How many there are in all: up to COUNTED, and of what is short and few have, among the newest."""
    if first.total is not None:
        return first.total
    if await _likely(conn, project, search) >= MANY:
        return COUNTED
    counted: int = await conn.fetchval(COUNT_AMONG_NEWEST, project, search, FAR, COUNTED)
    return counted


async def _likely(conn: Connection, project: UUID, search: str) -> int:
    """About how many have it."""
    likely: int = await conn.fetchval(ESTIMATE, project, search, BLOCKS, APART)
    return likely


async def _by_trigrams(conn: Connection, project: UUID, after: Place, search: str, limit: int) -> Found:
    rows = await conn.fetch(BY_TRIGRAMS, project, *after, search, limit)
    return Found([row_of(row) for row in rows], END, min(rows[0]["number"], COUNTED) if rows else 0)


async def _among_newest(conn: Connection, project: UUID, after: Place, search: str, limit: int, window: int) -> Found:
    found = await conn.fetch(AMONG_NEWEST, project, *after, search, window, limit)
    until = (found[0]["until_at"], found[0]["until_id"]) if found[0]["until_at"] else END
    rows = [row_of(row) for row in found if row["id"]]
    return Found(rows, until, len(rows) if len(rows) < limit else None)
