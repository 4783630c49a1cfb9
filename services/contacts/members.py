"""Who matches a condition, asked of the contacts as they are now."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.store import Connection
from libs.schemas.contacts import AudienceMember, Condition
from services.contacts.condition import EVERYONE, Predicate, compiled
from services.contacts.read_models.contact import Row, row_of

COUNT = "select count(*) from contact where project = $1 and (subscribed or not $2) and {matching}"

LISTED = """
select project, id, email, subscribed, data, version, created_at, updated_at
from contact
where project = $1 and {matching}
order by created_at desc, id desc
limit $2 offset $3
"""

AUDIENCE = """
select id, email
from contact
where project = $1 and id > $2 and (subscribed or not $3) and {matching}
order by id
limit $4
"""

MATCHES = "select {matching} from contact where project = $1 and id = $2"


async def count(conn: Connection, project: UUID, condition: Condition, *, subscribed_only: bool = False) -> int:
    matching = compiled(condition, after=2)
    found: int = await conn.fetchval(_filled(COUNT, matching), project, subscribed_only, *matching.args)
    return found


async def listed(conn: Connection, project: UUID, condition: Condition, *, limit: int, offset: int) -> list[Row]:
    """Newest first."""
    matching = compiled(condition, after=3)
    rows = await conn.fetch(_filled(LISTED, matching), project, limit, offset, *matching.args)
    return [row_of(row) for row in rows]


async def audience(
    conn: Connection, project: UUID, condition: Condition | None, *, after: UUID, subscribed_only: bool, limit: int
) -> Sequence[AudienceMember]:
    """The next members in order of their ids; no condition is everyone."""
    matching = compiled(condition, after=4) if condition else EVERYONE
    rows = await conn.fetch(_filled(AUDIENCE, matching), project, after, subscribed_only, limit, *matching.args)
    return [AudienceMember(contact_id=row["id"], email=row["email"]) for row in rows]


async def matches(conn: Connection, project: UUID, contact_id: UUID, condition: Condition) -> bool | None:
    """Whether the contact matches; None if there is no such contact."""
    matching = compiled(condition, after=2)
    row = await conn.fetchrow(_filled(MATCHES, matching), project, contact_id, *matching.args)
    return bool(row[0]) if row else None


def _filled(statement: str, matching: Predicate) -> str:
    """The predicate holds no value of anyone's: only fixed pieces and placeholders."""
    return statement.format(matching=matching.sql)
