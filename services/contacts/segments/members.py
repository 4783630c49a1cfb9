"""Reads the current members of segments.

The stored members of a dynamic segment are corrected by the changes that the membership worker has not processed yet,
so a reply never lags behind what was committed before the query. Until all contacts have been scanned for a segment,
its condition is tested against every contact instead.
"""

from uuid import UUID

from libs.runtime.eventstore.store import Connection
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.read_models.contact import ContactRow
from services.contacts.segments.matching import count_matching, fill, list_matching, predicate_of
from services.contacts.segments.read_models import segment_list
from services.contacts.segments.read_models.segment import SegmentRow

IS_SCANNED = "select scan_from is null from segment_state where project = $1 and segment_id = $2"

# A bulk change of more contacts than this limit may show up in replies only once the worker has processed it.
PENDING = """
pending as materialized (
    select contact_id from segment_change where project = $1
    union
    select contact_id from segment_due where project = $1 and due_at <= statement_timestamp()
    limit 10000
)
"""

COUNT = """
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

PAGE = """
with {pending},
fresh as (
    select id, created_at from contact {joins}
    where contact.project = $1 and id in (select contact_id from pending) and {matching}
),
stored as (
    select contact_id as id, created_at from segment_member
    where project = $1 and segment_id = $2 and contact_id not in (select contact_id from pending)
    order by created_at desc, contact_id desc
    limit $3::bigint + $4::bigint
)
select id from (select * from stored union all select * from fresh) as member
order by created_at desc, id desc
limit $3::bigint offset $4::bigint
"""


async def count(conn: Connection, project: UUID, row: SegmentRow) -> int:
    """Return the number of members, cheaply: while a segment is being scanned, only the members found so far."""
    if row.condition is None:
        return await segment_list.count(conn, project, row.id)
    matching = await predicate_of(conn, project, row.condition, after=2)
    return await conn.fetchval(fill(COUNT, matching, pending=PENDING), project, row.id, *matching.args) or 0


async def count_all(conn: Connection, project: UUID, row: SegmentRow) -> int:
    """Return the number of all members, even if every contact must be tested."""
    if row.condition is None or await conn.fetchval(IS_SCANNED, project, row.id):
        return await count(conn, project, row)
    return await count_matching(conn, project, row.condition)


async def page(conn: Connection, project: UUID, row: SegmentRow, *, limit: int, offset: int) -> list[ContactRow]:
    """Return members: of a dynamic segment the newest contact first, of a static one the last added first."""
    ids = await _ids(conn, project, row, limit, offset)
    found = {each.contact_id: each for each in await contacts.load(conn, [], [(project, contact) for contact in ids])}
    return [found[contact] for contact in ids if contact in found]


async def _ids(conn: Connection, project: UUID, row: SegmentRow, limit: int, offset: int) -> list[UUID]:
    if row.condition is None:
        return await segment_list.page(conn, project, row.id, limit, offset)
    if not await conn.fetchval(IS_SCANNED, project, row.id):
        return await list_matching(conn, project, row.condition, limit=limit, offset=offset)
    matching = await predicate_of(conn, project, row.condition, after=4)
    statement = fill(PAGE, matching, pending=PENDING)
    rows = await conn.fetch(statement, project, row.id, limit, offset, *matching.args)
    return [each["id"] for each in rows]
