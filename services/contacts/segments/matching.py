"""Matches conditions against contacts in the database."""

from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition
from services.contacts.segments.condition import EVERYONE, Predicate, compile_condition
from services.contacts.segments.references import load_referenced

COUNT = "select count(*) from contact {joins} where contact.project = $1 and (subscribed or not $2) and {matching}"

LIST = """
select id from contact {joins}
where contact.project = $1 and {matching}
order by created_at desc, id desc
limit $2 offset $3
"""

MATCHES = "select {matching} from contact {joins} where contact.project = $1 and id = $2"


async def count_matching(
    conn: Connection, project: UUID, condition: Condition, *, subscribed_only: bool = False
) -> int:
    matching = await predicate_of(conn, project, condition, after=2)
    # not `fetchval`: with a limit of one row Postgres does not plan parallel workers
    (row,) = await conn.fetch(fill(COUNT, matching), project, subscribed_only, *matching.args)
    return int(row["count"])


async def list_matching(
    conn: Connection, project: UUID, condition: Condition, *, limit: int, offset: int
) -> list[UUID]:
    """Return the ids of matching contacts, newest first, by testing every contact."""
    matching = await predicate_of(conn, project, condition, after=3)
    rows = await conn.fetch(fill(LIST, matching), project, limit, offset, *matching.args)
    return [row["id"] for row in rows]


async def matches(conn: Connection, project: UUID, contact_id: UUID, condition: Condition) -> bool | None:
    """Return whether the contact matches; None if there is no such contact."""
    matching = await predicate_of(conn, project, condition, after=2)
    row = await conn.fetchrow(fill(MATCHES, matching), project, contact_id, *matching.args)
    return bool(row[0]) if row else None


async def predicate_of(conn: Connection, project: UUID, condition: Condition | None, *, after: int) -> Predicate:
    """Compile a condition with the segments it refers to, numbering arguments from `after` + 1. None matches
    everyone."""
    if condition is None:
        return EVERYONE
    return compile_condition(condition, await load_referenced(conn, project, condition), after=after)


def fill(statement: str, matching: Predicate, **parts: str) -> str:
    """Put the predicate into a statement. It holds no values of callers, only fixed pieces and placeholders."""
    return statement.format(joins=matching.joins, matching=matching.sql, **parts)
