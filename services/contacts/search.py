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
from services.contacts.read_models.contact import FIRST, Row, row_of

FAR = 10_000
"""How many of the newest contacts are looked at for a page."""

MANY = 2000
"""So many contacts are found among the newest sooner than by the index."""

TOO_MANY = 20_000
"""For so many the index is not asked, even if they are not among the newest."""

SHORTEST = 3
"""Bytes; what is shorter has no trigram."""

COUNTED = 1000
"""Further than this, matches are not counted."""

BLOCKS, FROM_BLOCKS = 64, 3
"""How many blocks of the table are a sample, and in how many of them somebody must have it for many to: a few who came
together also stand together."""

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
), counted as (
    select count(*) as number from found
)
select number, until.at as until_at, until.id as until_id, contact.*
from counted
left join lateral (
    select created_at as at, id from contact
    where counted.number < $6 and project = $1 and (created_at, id) < ($2, $3)
    order by created_at desc, id desc offset $5 - 1 limit 1
) as until on true
left join (
    select contact.* from (select id from found order by created_at desc, id desc limit $7) as shown
    join contact on contact.project = $1 and contact.id = shown.id
) as contact on true
order by contact.created_at desc, contact.id desc
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
with size as (select greatest(pg_relation_size('contact') / 8192.0 / $3, 1) as samples)
select case when count(distinct (ctid::text::point)[0]) >= $4
    then count(*) * (select samples from size) else 0 end::bigint
from contact tablesample system (100 / (select samples from size))
where project = $1 and strpos(email, $2) > 0
"""


class Found(msgspec.Struct, frozen=True):
    """Contacts; the place up to which they were sought, which is END unless there may be more; and how many there are
    in all, as far as is known, if the page is the first."""

    rows: Sequence[Row]
    until: Place
    total: int = 0


async def page(conn: Connection, project: UUID, after: Place, search: str, limit: int) -> Found:
    """Contacts whose address contains `search` (lower-case), from the place `after`."""
    likely: int = await conn.fetchval(ESTIMATE, project, search, BLOCKS, FROM_BLOCKS)
    indexed = len(search.encode()) >= SHORTEST
    if indexed and likely < MANY:
        return await _by_trigrams(conn, project, after, search, limit)
    found = await _among_newest(conn, project, after, search, limit, many=likely >= MANY)
    if indexed and likely < TOO_MANY and len(found.rows) < limit and found.until != END:
        return await _by_trigrams(conn, project, after, search, limit)
    return found


async def _by_trigrams(conn: Connection, project: UUID, after: Place, search: str, limit: int) -> Found:
    rows = await conn.fetch(BY_TRIGRAMS, project, *after, search, limit)
    return Found([row_of(row) for row in rows], END, min(rows[0]["number"], COUNTED) if rows else 0)


async def _among_newest(conn: Connection, project: UUID, after: Place, search: str, limit: int, *, many: bool) -> Found:
    """What many have is soon found, and is known to be more than is counted."""
    enough = limit if many or after != FIRST else COUNTED
    rows = await conn.fetch(AMONG_NEWEST, project, *after, search, FAR, enough, limit)
    number, until = rows[0]["number"], rows[0]["until_at"]
    return Found(
        [row_of(row) for row in rows if row["id"]],
        (until, rows[0]["until_id"]) if until else END,
        COUNTED if many and number == limit else number,
    )
