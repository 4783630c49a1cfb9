"""Checks contacts against all dynamic segments again, and stores which segments each of them enters and leaves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Meta
from libs.runtime.eventstore.store import Connection, UnitOfWork
from services.contacts.segments import transitions
from services.contacts.segments.condition import Predicate
from services.contacts.segments.predicates import compile_segments, turning_points_of
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.references import conditions_of
from services.contacts.segments.transitions import Transition

SEGMENTS_PER_STATEMENT = 25

# Each of the contacts ($2) with its verdict for each segment. The comparison with the stored members happens in Python:
# it is a few thousand pairs, and the planner, which expects ten, would join them row by row.
CHECK = """
select contact.id, contact.email, contact.created_at, array[{verdicts}] as verdicts,
    least({turning_points}) + interval '1 millisecond' as due_at
from contact {joins}
where contact.project = $1 and contact.id = any($2::uuid[])
"""
STORED = """
select contact_id, segment_id from segment_member
where project = $1 and contact_id = any($2::uuid[]) and segment_id = any($3::uuid[])
"""
ENTER = """
insert into segment_member (project, contact_id, segment_id, created_at)
select $1, * from unnest($2::uuid[], $3::uuid[], $4::timestamptz[])
"""
LEAVE = """
delete from segment_member using unnest($2::uuid[], $3::uuid[]) as gone (contact_id, segment_id)
where segment_member.project = $1 and segment_member.contact_id = gone.contact_id
    and segment_member.segment_id = gone.segment_id
"""
SET_DUE = """
insert into segment_due (project, contact_id, due_at)
select $1, * from unnest($2::uuid[], $3::timestamptz[])
on conflict (project, contact_id) do update set due_at = least(segment_due.due_at, excluded.due_at)
"""


async def recheck(unit: UnitOfWork, project: UUID, contacts: Mapping[UUID, Meta], rows: Sequence[SegmentRow]) -> None:
    """Check the contacts, given with the cause of each check, against all segments of the project."""
    by_id, conditions = {row.id: row for row in rows if row.condition}, conditions_of(rows)
    for some in _portions(by_id.values()):
        predicates = compile_segments(some, conditions, after=2)
        if predicates:
            moved = await _update_members(unit.conn, project, list(contacts), predicates)
            await transitions.record(unit, project, moved, by_id, contacts)
    await unit.flush()


async def _update_members(
    conn: Connection, project: UUID, contacts: Sequence[UUID], predicates: Mapping[UUID, Predicate]
) -> list[Transition]:
    """Store the members that the predicates give, and return what changed."""
    arguments = [arg for each in predicates.values() for arg in each.args]
    checked = {row["id"]: row for row in await conn.fetch(_statement(predicates), project, contacts, *arguments)}
    inside = {(id, segment) for id, row in checked.items() for segment in compress(predicates, row["verdicts"])}
    before = {(*row,) for row in await conn.fetch(STORED, project, contacts, list(predicates))}
    entered, exited = sorted(inside - before), sorted(before - inside)
    if entered:
        created_at = [checked[contact]["created_at"] for contact, _ in entered]
        await conn.execute(ENTER, project, *_columns(entered), created_at)
    if exited:
        await conn.execute(LEAVE, project, *_columns(exited))
    due = [(id, row["due_at"]) for id, row in checked.items() if row["due_at"]]
    if due:
        await conn.execute(SET_DUE, project, *_columns(due))
    emails = {id: row["email"] for id, row in checked.items()}
    moved = [(pair, True) for pair in entered] + [(pair, False) for pair in exited]
    return [Transition(segment, contact, entry, emails.get(contact)) for (contact, segment), entry in moved]


def _statement(predicates: Mapping[UUID, Predicate]) -> str:
    """Build the statement. Predicates hold no values of callers, only fixed pieces and placeholders."""
    verdicts = ", ".join(f"({each.sql}) is true" for each in predicates.values())
    joins = "".join(each.joins for each in predicates.values())
    return CHECK.format(verdicts=verdicts, turning_points=turning_points_of(predicates.values()), joins=joins)


def _portions(rows: Iterable[SegmentRow]) -> Iterator[list[SegmentRow]]:
    remaining = iter(rows)
    while some := list(islice(remaining, SEGMENTS_PER_STATEMENT)):
        yield some


def _columns(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [first for first, _ in pairs], [second for _, second in pairs]
