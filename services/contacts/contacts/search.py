"""Searching contacts by a part of their address, newest first.

There are two ways, because neither is fast for every search. A part that few addresses have (`ann.lee`) is found by
the trigram index. A part that many have (`gmail`) would take that index long, but a scan of the newest contacts finds
it soon; the same scan serves parts too short to have a trigram. Either way an answer takes about as long among a
million contacts as among ten thousand: matches that are not among the newest come on later pages.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.store import Connection
from services.contacts.contacts.read_models.contact import ContactRow, row_of

SHORT_WINDOW, COMMON_WINDOW = 5_000, 10_000
"""How many of the newest contacts a page scans, for a search without a trigram and for one with many matches. The page
is mostly full long before; two letters that no address has take the whole window."""

MIN_COMMON = 2000
"""From this many matches on, scanning the newest contacts is faster than the index."""

MAX_INDEXED = 20_000
"""From this many matches on, the index is not asked even if the newest contacts do not fill the page."""

MIN_TRIGRAM_BYTES = 3
"""A shorter search has no trigram."""

MAX_COUNTED = 1000
"""Matches are not counted further than this."""

SAMPLE_BLOCKS, MIN_SPREAD = 64, 0.01
"""How many blocks of the table the sample has, and what part of the table the matches in it must span. Matches that
were imported together stand together, and a sample that hits them would make a few look like many."""

Position: TypeAlias = tuple[datetime, UUID]

END: Position = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
"""The position after the oldest contact."""

# One statement, so that no contact comes or goes between scanning and learning how far the scan got.
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

# The function searches the session's project, by the index: see migration 0007. Materialized, or the planner would walk
# the index on time to find the first few.
BY_TRIGRAMS = """
with found as materialized (
    select id, created_at from contacts_containing($4)
), shown as (
    select id from found where (created_at, id) < ($2, $3) order by created_at desc, id desc limit $5
)
select (select count(*) from found) as number, contact.*
from shown join contact on contact.project = $1 and contact.id = shown.id
order by created_at desc, contact.id desc
"""

# Estimated from a sample of the table, because the statistics of Postgres know trigrams only one by one.
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


class SearchResult(msgspec.Struct, frozen=True):
    """One page of contacts.

    `until` is the position that the search reached: END if there are no more. `total` is the number of all matches,
    if the page is the first and the number came without counting.
    """

    rows: Sequence[ContactRow]
    until: Position
    total: int | None = None


async def page(conn: Connection, project: UUID, after: Position, search: str, limit: int) -> SearchResult:
    """Return contacts after the position whose address contains `search` (lower-case)."""
    if len(search.encode()) < MIN_TRIGRAM_BYTES:
        return await _among_newest(conn, project, after, search, limit, SHORT_WINDOW)
    estimate = await _estimate(conn, project, search)
    if estimate >= MIN_COMMON:
        result = await _among_newest(conn, project, after, search, limit, COMMON_WINDOW)
        if result.until == END and len(result.rows) < limit:
            return result
        if len(result.rows) == limit or estimate >= MAX_INDEXED:
            return replace(result, total=MAX_COUNTED)
    return await _by_trigrams(conn, project, after, search, limit)


async def total(conn: Connection, project: UUID, search: str, first: SearchResult) -> int:
    """Return the number of all matches, at most MAX_COUNTED; for a rare short search only those among the newest."""
    if first.total is not None:
        return first.total
    if await _estimate(conn, project, search) >= MIN_COMMON:
        return MAX_COUNTED
    counted: int = await conn.fetchval(COUNT_AMONG_NEWEST, project, search, COMMON_WINDOW, MAX_COUNTED)
    return counted


async def _estimate(conn: Connection, project: UUID, search: str) -> int:
    """Return roughly how many addresses match."""
    estimate: int = await conn.fetchval(ESTIMATE, project, search, SAMPLE_BLOCKS, MIN_SPREAD)
    return estimate


async def _by_trigrams(conn: Connection, project: UUID, after: Position, search: str, limit: int) -> SearchResult:
    rows = await conn.fetch(BY_TRIGRAMS, project, *after, search, limit)
    return SearchResult([row_of(row) for row in rows], END, min(rows[0]["number"], MAX_COUNTED) if rows else 0)


async def _among_newest(
    conn: Connection, project: UUID, after: Position, search: str, limit: int, window: int
) -> SearchResult:
    found = await conn.fetch(AMONG_NEWEST, project, *after, search, window, limit)
    until = (found[0]["until_at"], found[0]["until_id"]) if found[0]["until_at"] else END
    rows = [row_of(row) for row in found if row["id"]]
    return SearchResult(rows, until, len(rows) if len(rows) < limit else None)
