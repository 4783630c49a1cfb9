"""Keeps the stored members of a project's dynamic segments up to date.

Whoever changes a project's memberships holds the project's lock, so two replicas never record the same entry. The
cost follows the number of contacts that are checked and of segments that they enter and leave.
"""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection, UnitOfWork
from services.contacts.segments import scan
from services.contacts.segments.condition import topics
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models import segment_change
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.recheck import recheck
from services.contacts.segments.transitions import BY_TIME

MAX_CHANGES = 2000
DELETED_ROWS = 5000

LOCK = "select pg_advisory_xact_lock(hashtext('godwit.segments'), hashtext($1::text))"
TRY_LOCK = "select pg_try_advisory_xact_lock(hashtext('godwit.segments'), hashtext($1::text))"

DEFINE = """
insert into segment_state (project, segment_id, topics, scan_from)
values ($1, $2, $3, case when $3::text[] is not null then $4::uuid end)
on conflict (project, segment_id) do update
    set topics = excluded.topics, scan_from = excluded.scan_from, scan_after = null
"""
DEFINED = "select segment_id from segment_state where project = $1"

TAKE_DUE = """
delete from segment_due
where project = $1 and contact_id = any(array(
    select contact_id from segment_due where project = $1 and due_at <= statement_timestamp() order by due_at limit $2
))
returning contact_id
"""

DELETE_MEMBERS = """
delete from segment_member
where project = $1 and segment_id = $2 and contact_id = any(array(
    select contact_id from segment_member where project = $1 and segment_id = $2 limit $3
))
"""
DELETE_STATE = "delete from segment_state where project = $1 and segment_id = $2"


async def lock(conn: Connection, project: UUID) -> None:
    """Wait for the project's memberships lock, and hold it until the transaction ends."""
    await conn.execute(LOCK, str(project))


async def try_lock(conn: Connection, project: UUID) -> bool:
    is_free: bool = await conn.fetchval(TRY_LOCK, str(project))
    return is_free


async def define(unit: UnitOfWork, project: UUID, row: SegmentRow) -> None:
    """Maintain the segment's members from now on: queue changes that concern it, and scan all contacts once."""
    asked = sorted(topics(row.condition)) if row.condition else None
    await unit.conn.execute(DEFINE, project, row.id, asked, scan.START)


async def advance(unit: UnitOfWork, project: UUID) -> bool:
    """Do the next portion of the project's work. Return whether there was any. The caller holds the lock."""
    rows = await segments.list_all(unit.conn, project)
    has_tidied = await _tidy(unit, project, rows)
    has_checked = await catch_up(unit, project, rows)
    return await scan.scan_next_page(unit, project, rows) or has_checked or has_tidied


async def catch_up(unit: UnitOfWork, project: UUID, rows: Sequence[SegmentRow]) -> bool:
    """Check contacts again that changed or whose time has come. Return whether there were any."""
    taken, changed = await segment_change.take(unit.conn, project, MAX_CHANGES)
    due = [row["contact_id"] for row in await unit.conn.fetch(TAKE_DUE, project, MAX_CHANGES)]
    contacts = dict.fromkeys(due, BY_TIME) | changed
    if contacts:
        await recheck(unit, project, contacts, rows)
    return bool(taken or due)


async def _tidy(unit: UnitOfWork, project: UUID, rows: Sequence[SegmentRow]) -> bool:
    """Define segments that have no state yet, and delete the members of deleted segments."""
    defined = {row["segment_id"] for row in await unit.conn.fetch(DEFINED, project)}
    for row in rows:
        if row.id not in defined:
            await define(unit, project, row)
    deleted = defined - {row.id for row in rows}
    for segment_id in deleted:
        if await unit.conn.execute(DELETE_MEMBERS, project, segment_id, DELETED_ROWS) == "DELETE 0":
            await unit.conn.execute(DELETE_STATE, project, segment_id)
    return bool(deleted)
