"""Scans all contacts for a new or changed segment, page by page."""

from collections.abc import Sequence
from uuid import UUID

from libs.kernel.conditions.cost import total_cost
from libs.runtime.eventstore.store import UnitOfWork
from services.contacts.segments import transitions
from services.contacts.segments.predicates import compile_segments, turning_points_of
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.references import conditions_of
from services.contacts.segments.transitions import Transition

FIRST_PAGE = 2000
"""Contacts that are scanned in the command itself, so a small project's segment is complete in the reply."""

PAGE, PAGE_COST = 50_000, 60
"""Contacts per page, and up to which cost of the condition."""
TRACKED_PAGE = 2000
"""For a tracked segment, which appends an event for each contact that enters or leaves."""

START, END = UUID(int=0), UUID(int=2**128 - 1)

# Transactions that ran while a segment was being defined did not see it, so they did not queue their changes for it.
# The scan therefore starts only after all transactions that ran when the definition became visible have ended.
MARK = """
update segment_state set scan_after = pg_current_xact_id()
where project = $1 and scan_from is not null and scan_after is null
"""
SCANNABLE = """
select segment_id, scan_from from segment_state
where project = $1 and scan_from is not null and scan_after < pg_snapshot_xmin(pg_current_snapshot())
order by scan_from desc, segment_id limit 1
"""
SET_POSITION = "update segment_state set scan_from = $3 where project = $1 and segment_id = $2"
PAGE_END = "select id from contact where project = $1 and id > $2 order by id offset $3 - 1 limit 1"

# All contacts of a page, checked against one segment. `not in`, because the planner can only execute it by a hash: it
# expects a few rows on both sides, and would join them row by row.
SCAN = """
with inside as materialized (
    select id, created_at from contact {joins}
    where contact.project = $1 and contact.id > $3 and contact.id <= $4 and {matching}
), entered as (
    insert into segment_member (project, contact_id, segment_id, created_at)
    select $1, id, $2, created_at from inside
    on conflict do nothing
    returning contact_id
), exited as (
    delete from segment_member
    where project = $1 and segment_id = $2 and contact_id > $3 and contact_id <= $4
        and contact_id not in (select id from inside)
    returning contact_id
), due as (
    insert into segment_due (project, contact_id, due_at)
    select $1, id, due_at from (
        select id, least({turning_points}) + interval '1 millisecond' as due_at from contact {joins}
        where contact.project = $1 and contact.id > $3 and contact.id <= $4
    ) as turning
    where due_at is not null
    on conflict (project, contact_id) do update set due_at = least(segment_due.due_at, excluded.due_at)
)
select contact_id, true as entry from entered union all select contact_id, false from exited
"""
EMAILS = "select id, email from contact where project = $1 and id = any($2::uuid[])"


async def scan_first_page(unit: UnitOfWork, project: UUID, row: SegmentRow, rows: Sequence[SegmentRow]) -> None:
    """Scan the first contacts for one of the project's segments."""
    await _scan(unit, project, row, rows, START, await _page_end(unit, project, START, FIRST_PAGE))


async def scan_next_page(unit: UnitOfWork, project: UUID, rows: Sequence[SegmentRow]) -> bool:
    """Scan the next page for a segment that has not seen all contacts. Return whether there was anything to do."""
    marked = await unit.conn.execute(MARK, project)
    state = await unit.conn.fetchrow(SCANNABLE, project)
    if state is None:
        return marked != "UPDATE 0"
    row = next((row for row in rows if row.id == state["segment_id"]), None)
    position = None
    if row:
        size = TRACKED_PAGE if row.track_membership else _page_size(row, rows)
        position = await _page_end(unit, project, state["scan_from"], size)
        await _scan(unit, project, row, rows, state["scan_from"], position)
    await unit.conn.execute(SET_POSITION, project, state["segment_id"], position)
    return True


def _page_size(row: SegmentRow, rows: Sequence[SegmentRow]) -> int:
    """Return how many contacts to scan at a time: fewer if the condition is expensive, so that pages take as long."""
    cost = total_cost(row.condition, conditions_of(rows)) if row.condition else 0
    return PAGE * PAGE_COST // max(cost, PAGE_COST)


async def _page_end(unit: UnitOfWork, project: UUID, after: UUID, size: int) -> UUID | None:
    """Return the id of the page's last contact; None if fewer contacts than a page remain."""
    end: UUID | None = await unit.conn.fetchval(PAGE_END, project, after, size)
    return end


async def _scan(
    unit: UnitOfWork, project: UUID, row: SegmentRow, rows: Sequence[SegmentRow], after: UUID, until: UUID | None
) -> None:
    """Store which of the contacts between two ids match the segment's condition, and record what changed."""
    for predicate in compile_segments([row], conditions_of(rows), after=4).values():
        turning_points = turning_points_of([predicate])
        statement = SCAN.format(joins=predicate.joins, matching=predicate.sql, turning_points=turning_points)
        moved = await unit.conn.fetch(statement, project, row.id, after, until or END, *predicate.args)
        tracked = [each["contact_id"] for each in moved] if row.track_membership else []
        emails = {each["id"]: each["email"] for each in await unit.conn.fetch(EMAILS, project, tracked)}
        changes = (Transition(row.id, id, entry, emails.get(id)) for id, entry in moved)
        await transitions.record(unit, project, changes, {row.id: row}, {})
    await unit.flush()
