"""Who is in a segment or matches a condition, now.

A dynamic segment's kept members are corrected by what the keeper has not looked at yet, so an answer is never behind
what was committed before the question. Until a segment's contacts have all been looked at, its condition is asked
of every contact instead.
"""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import AudienceMember, Condition
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.read_models.contact import Row
from services.contacts.segments.condition import EVERYONE, Predicate, compiled
from services.contacts.segments.definitions import referenced
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models import segment_list

COUNT = "select count(*) from contact {joins} where contact.project = $1 and (subscribed or not $2) and {matching}"

LISTED = """
select id from contact {joins}
where contact.project = $1 and {matching}
order by created_at desc, id desc
limit $2 offset $3
"""

AUDIENCE = """
select id, email
from contact {joins}
where contact.project = $1 and id > $2 and (subscribed or not $3) and {matching}
    and (cardinality($5::uuid[]) = 0 or (
        select count(*) from segment_list
        where segment_list.project = $1 and segment_list.contact_id = contact.id and segment_id = any($5::uuid[])
    ) = cardinality($5::uuid[]))
order by id
limit $4
"""

MATCHES = "select {matching} from contact {joins} where contact.project = $1 and id = $2"

READY = "select scan_from is null from segment_state where project = $1 and segment_id = $2"

# A bulk change of more contacts than this is followed as fast as it can be, and not ahead of it.
PENDING = """
pending as materialized (
    select contact_id from segment_change where project = $1
    union
    select contact_id from segment_due where project = $1 and due_at <= statement_timestamp()
    limit 10000
)
"""

KEPT_COUNT = """
with {pending}
select state.members - (
    select count(*) from pending
    join segment_member as member on member.project = $1 and member.contact_id = pending.contact_id
        and member.segment_id = $2
) + (
    select count(*) from contact {joins}
    where contact.project = $1 and id in (select contact_id from pending) and {matching}
)
from segment_state as state where state.project = $1 and state.segment_id = $2
"""

KEPT_PAGE = """
with {pending},
fresh as (
    select id, created_at from contact {joins}
    where contact.project = $1 and id in (select contact_id from pending) and {matching}
),
kept as (
    select contact_id as id, created_at from segment_member
    where project = $1 and segment_id = $2 and contact_id not in (select contact_id from pending)
    order by created_at desc, contact_id desc
    limit $3::bigint + $4::bigint
)
select id from (select * from kept union all select * from fresh) as member
order by created_at desc, id desc
limit $3::bigint offset $4::bigint
"""


async def count(conn: Connection, project: UUID, row: segments.Row) -> int:
    """Cheap: of a large project's new segment those that have been found so far."""
    if row.condition is None:
        return await segment_list.count(conn, project, row.id)
    matching = await _compiled(conn, project, row.condition, after=2)
    return await conn.fetchval(_filled(KEPT_COUNT, matching), project, row.id, *matching.args) or 0


async def count_all(conn: Connection, project: UUID, row: segments.Row) -> int:
    """Complete, even if every contact has to be asked."""
    if row.condition is None or await conn.fetchval(READY, project, row.id):
        return await count(conn, project, row)
    return await count_matching(conn, project, row.condition)


async def page(conn: Connection, project: UUID, row: segments.Row, *, limit: int, offset: int) -> list[Row]:
    """Of a dynamic segment the newest contact first, of a static one who was put on its list last."""
    ids = await _ids(conn, project, row, limit, offset)
    found = {each.contact_id: each for each in await contacts.load(conn, [], [(project, contact) for contact in ids])}
    return [found[contact] for contact in ids if contact in found]


async def count_matching(
    conn: Connection, project: UUID, condition: Condition, *, subscribed_only: bool = False
) -> int:
    matching = await _compiled(conn, project, condition, after=2)
    # not `fetchval`: who asks Postgres for one row only gets no parallel workers
    (row,) = await conn.fetch(_filled(COUNT, matching), project, subscribed_only, *matching.args)
    return int(row["count"])


async def matching_ids(conn: Connection, project: UUID, condition: Condition, *, limit: int, offset: int) -> list[UUID]:
    """Asked of every contact, newest first."""
    matching = await _compiled(conn, project, condition, after=3)
    rows = await conn.fetch(_filled(LISTED, matching), project, limit, offset, *matching.args)
    return [row["id"] for row in rows]


async def audience(
    conn: Connection,
    project: UUID,
    condition: Condition | None,
    *,
    lists: Sequence[UUID] = (),
    after: UUID,
    subscribed_only: bool,
    limit: int,
) -> Sequence[AudienceMember]:
    """The next of those who match and are on all the lists, in order of their ids; no condition is everyone."""
    matching = await _compiled(conn, project, condition, after=5) if condition else EVERYONE
    told = (project, after, subscribed_only, limit, lists)
    rows = await conn.fetch(_filled(AUDIENCE, matching), *told, *matching.args)
    return [AudienceMember(contact_id=row["id"], email=row["email"]) for row in rows]


async def matches(conn: Connection, project: UUID, contact_id: UUID, condition: Condition) -> bool | None:
    """Whether the contact matches; None if there is no such contact."""
    matching = await _compiled(conn, project, condition, after=2)
    row = await conn.fetchrow(_filled(MATCHES, matching), project, contact_id, *matching.args)
    return bool(row[0]) if row else None


async def _ids(conn: Connection, project: UUID, row: segments.Row, limit: int, offset: int) -> list[UUID]:
    if row.condition is None:
        return await segment_list.page(conn, project, row.id, limit, offset)
    if not await conn.fetchval(READY, project, row.id):
        return await matching_ids(conn, project, row.condition, limit=limit, offset=offset)
    matching = await _compiled(conn, project, row.condition, after=4)
    rows = await conn.fetch(_filled(KEPT_PAGE, matching), project, row.id, limit, offset, *matching.args)
    return [each["id"] for each in rows]


async def _compiled(conn: Connection, project: UUID, condition: Condition, *, after: int) -> Predicate:
    return compiled(condition, await referenced(conn, project, condition), after=after)


def _filled(statement: str, matching: Predicate) -> str:
    """The predicate holds no value of anyone's: only fixed pieces and placeholders."""
    return statement.format(joins=matching.joins, matching=matching.sql, pending=PENDING)
