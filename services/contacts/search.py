"""Finding contacts by a part of their address, newest first.

Two ways, because no single one is fast for both. What many contacts have (`gmail`) is found among the newest; what few
have (`ann.lee`) by the index of trigrams, which would be slow for the other.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.runtime.store import Connection
from services.contacts.read_models.contact import Row, row_of

WINDOW = 2000
"""How many of the newest are looked at before the index is asked."""

SHORTEST = 3
"""Bytes; what is shorter has no trigram, and is sought in every address."""

COUNTED = 1000
"""Further than this, matches are not counted."""

AMONG_NEWEST = """
select project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until
from (
    select project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until
    from contact
    where project = $1 and (created_at, id) < ($2, $3)
    order by created_at desc, id desc limit $6
) as newest
where strpos(email, $4) > 0
order by created_at desc, id desc
limit $5
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

BY_ADDRESS = """
with found as materialized (
    select id, created_at from contact where project = $1 and strpos(email, $4) > 0
), shown as (
    select id from found where (created_at, id) < ($2, $3) order by created_at desc, id desc limit $5
)
select project, contact.id, email, subscribed, data, version, created_at, updated_at, snoozed_until
from shown join contact on contact.project = $1 and contact.id = shown.id
order by created_at desc, contact.id desc
"""

COUNT_FEW = """
select count(*) from (
    select from contact
    where project = $1 and trigrams(project, email) @> trigrams($1, $2) and strpos(email, $2) > 0 limit $3
) as counted
"""
COUNT_MANY = (
    "select count(*) from (select from contact where project = $1 and strpos(email, $2) > 0 limit $3) as counted"
)


async def page(
    conn: Connection, project: UUID, after: tuple[datetime, UUID], search: str, limit: int
) -> tuple[Sequence[Row], bool]:
    """Contacts whose address contains `search` (lower-case), from the place `after`; and whether many do."""
    rows = await conn.fetch(AMONG_NEWEST, project, *after, search, limit, WINDOW)
    many = len(rows) == limit
    if not many:
        rows = await conn.fetch(BY_TRIGRAMS if _has_trigrams(search) else BY_ADDRESS, project, *after, search, limit)
    return [row_of(row) for row in rows], many


async def count(conn: Connection, project: UUID, search: str, *, many: bool) -> int:
    """How many addresses contain it, up to COUNTED."""
    statement = COUNT_FEW if _has_trigrams(search) and not many else COUNT_MANY
    found: int = await conn.fetchval(statement, project, search, COUNTED)
    return found


def _has_trigrams(search: str) -> bool:
    return len(search.encode()) >= SHORTEST
