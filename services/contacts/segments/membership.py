"""Keeping the membership of a project's dynamic segments up to date, as a diff of who was in and who is.

One writer for a project at a time: whoever changes memberships holds the project's lock, so that two replicas never
see the same entry. Cost follows the contacts that are looked at, and what they enter and leave.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from typing import Any
from uuid import UUID

import msgspec
import structlog

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Meta, Origin
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.contacts.contacts import EventTracked
from services.contacts.segments.condition import (
    Predicate,
    Segments,
    compiled,
    topics,
)
from services.contacts.segments.definitions import definitions_of
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models import segment_change

log = structlog.get_logger()

CHANGES = 2000
SCAN_PAGE = 50_000
TOLD_PAGE = 2000
"""Of a segment whose entries are told, each with an event."""

SWEEP_ROWS = 5000
SEGMENTS_AT_ONCE = 25
NOWHERE, END = UUID(int=0), UUID(int=2**128 - 1)
KEEPER = Meta(actor="segments")

LOCK = "select pg_advisory_xact_lock(hashtext('godwit.segments'), hashtext($1::text))"
TRY_LOCK = "select pg_try_advisory_xact_lock(hashtext('godwit.segments'), hashtext($1::text))"

DEFINE = """
insert into segment_state (project, segment_id, topics, scan_from)
values ($1, $2, $3, case when $3::text[] is not null then $4::uuid end)
on conflict (project, segment_id) do update
    set topics = excluded.topics, scan_from = excluded.scan_from, scan_after = null
"""
DEFINED = "select segment_id, members, scan_from from segment_state where project = $1"

# What ran while a segment was being defined did not see that it has to say what it changes. So a scan begins only
# after all that ran at a moment when the definition could be seen by everybody.
MARK = """
update segment_state set scan_after = pg_current_xact_id()
where project = $1 and scan_from is not null and scan_after is null
"""
SCANNABLE = """
select segment_id, scan_from from segment_state
where project = $1 and scan_from is not null and scan_after < pg_snapshot_xmin(pg_current_snapshot())
order by scan_from desc, segment_id limit 1
"""
SCANNED = "update segment_state set scan_from = $3 where project = $1 and segment_id = $2"
PAGE_END = "select id from contact where project = $1 and id > $2 order by id offset $3 - 1 limit 1"

# All contacts of a page, held against one segment. `not in`, because the planner can only answer it by a hash: it takes
# the two sides for a few rows, and would join them row by row.
HOLD = """
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
), waiting as (
    insert into segment_due (project, contact_id, due_at)
    select $1, id, due_at from (
        select id, least({turns}) + interval '1 millisecond' as due_at from contact {joins}
        where contact.project = $1 and contact.id > $3 and contact.id <= $4
    ) as turning
    where due_at is not null
    on conflict (project, contact_id) do update set due_at = least(segment_due.due_at, excluded.due_at)
)
select contact_id, true as entry from entered union all select contact_id, false from exited
"""
EMAILS = "select id, email from contact where project = $1 and id = any($2::uuid[])"

TAKE_DUE = """
delete from segment_due
where project = $1 and contact_id = any(array(
    select contact_id from segment_due where project = $1 and due_at <= statement_timestamp() order by due_at limit $2
))
returning contact_id
"""

# Each of the contacts ($2), held against segments. Whom it concerns is compared here and not in SQL: it is a few
# thousand pairs, and a planner that takes them for ten joins them row by row.
LOOK = """
select contact.id, contact.email, contact.created_at, array[{verdicts}] as verdicts,
    least({turns}) + interval '1 millisecond' as due_at
from contact {joins}
where contact.project = $1 and contact.id = any($2::uuid[])
"""
INSIDE = """
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
WAIT_UNTIL = """
insert into segment_due (project, contact_id, due_at)
select $1, * from unnest($2::uuid[], $3::timestamptz[])
on conflict (project, contact_id) do update set due_at = least(segment_due.due_at, excluded.due_at)
"""

COUNTED = """
update segment_state as state
set members = members + entered_now - exited_now, entered = entered + entered_now, exited = exited + exited_now
from unnest($2::uuid[], $3::bigint[], $4::bigint[]) as new (segment_id, entered_now, exited_now)
where state.project = $1 and state.segment_id = new.segment_id
"""

SWEEP = """
delete from segment_member
where project = $1 and segment_id = $2 and contact_id = any(array(
    select contact_id from segment_member where project = $1 and segment_id = $2 limit $3
))
"""
FORGET = "delete from segment_state where project = $1 and segment_id = $2"


class Move(msgspec.Struct, frozen=True):
    """A contact entered a segment, or left it. `email` is None if the contact is no more."""

    segment_id: UUID
    contact_id: UUID
    entry: bool
    email: str | None


async def lock(conn: Connection, project: UUID) -> None:
    """Wait until nobody else changes the project's memberships, and keep it so until the transaction ends."""
    await conn.execute(LOCK, str(project))


async def try_lock(conn: Connection, project: UUID) -> bool:
    free: bool = await conn.fetchval(TRY_LOCK, str(project))
    return free


async def define(unit: UnitOfWork, project: UUID, row: segments.Row) -> None:
    """Have the segment kept from now on: by what happens to contacts, and everyone is looked at once."""
    asked = sorted(topics(row.condition)) if row.condition else None
    await unit.conn.execute(DEFINE, project, row.id, asked, NOWHERE)


async def begin(unit: UnitOfWork, project: UUID, row: segments.Row, known: Segments) -> None:
    """Look at the first contacts at once, so that a small project's segment is filled when it is answered for."""
    await _hold(unit, project, row, known, NOWHERE, await _page_end(unit, project, NOWHERE, CHANGES))


async def advance(unit: UnitOfWork, project: UUID) -> bool:
    """The next portion of what is to be done for the project, whose lock is held. Answers whether there was any."""
    rows = await segments.list_all(unit.conn, project)
    tidied = await _tidy(unit, project, rows)
    looked = await catch_up(unit, project, rows)
    return await _scan(unit, project, rows) or looked or tidied


async def catch_up(unit: UnitOfWork, project: UUID, rows: Sequence[segments.Row]) -> bool:
    """Look again at contacts to whom something happened, or whose time has come."""
    taken, changed = await segment_change.take(unit.conn, project, CHANGES)
    due = [row["contact_id"] for row in await unit.conn.fetch(TAKE_DUE, project, CHANGES)]
    contacts = dict.fromkeys(due, KEEPER) | changed
    if contacts:
        await _look_at(unit, project, contacts, rows, definitions_of(rows))
    return bool(taken or due)


async def tell(
    unit: UnitOfWork,
    project: UUID,
    moves: Iterable[Move],
    rows: Mapping[UUID, segments.Row],
    metas: Mapping[UUID, Meta],
) -> None:
    """Count who entered and left, and say it of tracked segments."""
    entered: dict[UUID, int] = {}
    exited: dict[UUID, int] = {}
    for move in moves:
        counts = entered if move.entry else exited
        counts[move.segment_id] = counts.get(move.segment_id, 0) + 1
        if move.email is not None and rows[move.segment_id].track_membership:
            cause = Origin(project=project, meta=metas.get(move.contact_id, KEEPER))
            unit.append([_fact(move, move.email, rows[move.segment_id])], cause)
    told = list(entered | exited)
    if told:
        counts_of = [[counts.get(each, 0) for each in told] for counts in (entered, exited)]
        await unit.conn.execute(COUNTED, project, told, *counts_of)


async def _look_at(
    unit: UnitOfWork, project: UUID, contacts: Mapping[UUID, Meta], rows: Iterable[segments.Row], known: Segments
) -> None:
    by_id = {row.id: row for row in rows if row.condition}
    for some in _portions(by_id.values()):
        predicates = _compiled(some, known)
        if predicates:
            moves = await _moved(unit.conn, project, list(contacts), predicates)
            await tell(unit, project, moves, by_id, contacts)
    await unit.flush()


async def _moved(
    conn: Connection, project: UUID, contacts: Sequence[UUID], predicates: Mapping[UUID, Predicate]
) -> list[Move]:
    """Enter and take out whom the conditions say, and answer who it was."""
    arguments = [arg for each in predicates.values() for arg in each.args]
    people = {row["id"]: row for row in await conn.fetch(_statement(predicates), project, contacts, *arguments)}
    inside = {(id, segment) for id, row in people.items() for segment in compress(predicates, row["verdicts"])}
    before = {(*row,) for row in await conn.fetch(INSIDE, project, contacts, list(predicates))}
    entered, exited = sorted(inside - before), sorted(before - inside)
    if entered:
        since = [people[contact]["created_at"] for contact, _ in entered]
        await conn.execute(ENTER, project, *_columns(entered), since)
    if exited:
        await conn.execute(LEAVE, project, *_columns(exited))
    due = [(id, row["due_at"]) for id, row in people.items() if row["due_at"]]
    if due:
        await conn.execute(WAIT_UNTIL, project, *_columns(due))
    emails = {id: row["email"] for id, row in people.items()}
    moved = [(pair, True) for pair in entered] + [(pair, False) for pair in exited]
    return [Move(segment, contact, entry, emails.get(contact)) for (contact, segment), entry in moved]


def _columns(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _portions(rows: Iterable[segments.Row]) -> Iterator[list[segments.Row]]:
    waiting = iter(rows)
    while some := list(islice(waiting, SEGMENTS_AT_ONCE)):
        yield some


def _compiled(rows: Iterable[segments.Row], known: Segments, bound: int = 2) -> dict[UUID, Predicate]:
    """The segments' conditions, as parts of one statement that has so many other arguments."""
    predicates: dict[UUID, Predicate] = {}
    for row in rows:
        assert row.condition
        try:
            predicates[row.id] = compiled(row.condition, known, after=bound, own_id=row.id)
        except Rejected as no:
            # it was checked when it was saved; whatever made it wrong must not keep the others from being right
            log.error("segment.condition_is_broken", segment=str(row.id), error=no.message)
            continue
        bound += len(predicates[row.id].args)
    return predicates


def _statement(predicates: Mapping[UUID, Predicate]) -> str:
    """Predicates hold no value of anyone's: only fixed pieces and placeholders."""
    verdicts = ", ".join(f"({each.sql}) is true" for each in predicates.values())
    joins = "".join(each.joins for each in predicates.values())
    return LOOK.format(verdicts=verdicts, turns=_turns(predicates.values()), joins=joins)


def _turns(predicates: Iterable[Predicate]) -> str:
    return ", ".join([turn for each in predicates for turn in each.turns] or ["null::timestamptz"])


def _fact(move: Move, email: str, row: segments.Row) -> EventTracked:
    return EventTracked(
        event_id=uuid7(),
        contact_id=move.contact_id,
        email=email,
        name=f"segment.{row.slug}.{'entry' if move.entry else 'exit'}",
        data={"segmentId": str(row.id), "segmentName": row.name},
    )


async def _scan(unit: UnitOfWork, project: UUID, rows: Sequence[segments.Row]) -> bool:
    """Hold the next page of contacts against a segment that has not seen all of them."""
    marked = await unit.conn.execute(MARK, project)
    scan = await unit.conn.fetchrow(SCANNABLE, project)
    if scan is None:
        return marked != "UPDATE 0"
    row = next((row for row in rows if row.id == scan["segment_id"]), None)
    reached = None
    if row:
        size = TOLD_PAGE if row.track_membership else SCAN_PAGE
        reached = await _page_end(unit, project, scan["scan_from"], size)
        await _hold(unit, project, row, definitions_of(rows), scan["scan_from"], reached)
    await unit.conn.execute(SCANNED, project, scan["segment_id"], reached)
    return True


async def _page_end(unit: UnitOfWork, project: UUID, after: UUID, size: int) -> UUID | None:
    """The last of so many contacts; None if there are fewer."""
    end: UUID | None = await unit.conn.fetchval(PAGE_END, project, after, size)
    return end


async def _hold(
    unit: UnitOfWork, project: UUID, row: segments.Row, known: Segments, after: UUID, until: UUID | None
) -> None:
    """Enter and take out, of the contacts from one id to another, whom the segment's condition says."""
    for predicate in _compiled([row], known, bound=4).values():
        statement = HOLD.format(joins=predicate.joins, matching=predicate.sql, turns=_turns([predicate]))
        moved = await unit.conn.fetch(statement, project, row.id, after, until or END, *predicate.args)
        told = [each["contact_id"] for each in moved] if row.track_membership else []
        emails = {each["id"]: each["email"] for each in await unit.conn.fetch(EMAILS, project, told)}
        moves = (Move(row.id, id, entry, emails.get(id)) for id, entry in moved)
        await tell(unit, project, moves, {row.id: row}, {})
    await unit.flush()


async def _tidy(unit: UnitOfWork, project: UUID, rows: Sequence[segments.Row]) -> bool:
    """Begin to keep segments that nobody keeps yet, and forget the members of those that are deleted."""
    kept = {row["segment_id"] for row in await unit.conn.fetch(DEFINED, project)}
    for row in rows:
        if row.id not in kept:
            await define(unit, project, row)
    gone = kept - {row.id for row in rows}
    for segment_id in gone:
        if await unit.conn.execute(SWEEP, project, segment_id, SWEEP_ROWS) == "DELETE 0":
            await unit.conn.execute(FORGET, project, segment_id)
    return bool(gone)
