"""The current state of each execution, folded by the process manager's `evolve`.

`entry` is the number of earlier executions that the contact had of the workflow. Two events that enroll a contact at
the same time find the same number, so the unique index rejects one of them, and its unit of work is retried.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.aggregate import evolve_states
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Data
from libs.schemas.workflows import (
    ExecutionStatus,
)
from services.workflows.executions import execution as decider
from services.workflows.executions.execution import Event, Execution

NAME = "execution"
TABLES = ("execution",)
EVENTS = decider.EVENTS
# A quarter of each page is left free, so that updates stay on the page and do not touch the indexes.
DDL = """
create table if not exists execution (
    project uuid not null,
    id uuid not null,
    version int not null,
    workflow_id uuid not null,
    contact_id uuid not null,
    entry int not null,
    email text not null,
    trigger_event text not null,
    context jsonb not null,
    status text not null,
    step_id uuid,
    until timestamptz,
    reason text,
    started_at timestamptz not null,
    completed_at timestamptz,
    primary key (project, id)
) with (fillfactor = 75);
alter table execution add column if not exists trusted boolean not null default true;
create unique index if not exists execution_entry on execution (project, workflow_id, contact_id, entry);
create index if not exists execution_newest on execution (project, workflow_id, started_at desc);
"""

SAVE = """
insert into execution (project, id, version, workflow_id, contact_id, entry, email, trigger_event, context,
                       status, step_id, until, reason, started_at, completed_at, trusted)
select project, id, version, workflow_id, contact_id, entry, email, trigger_event, context,
       status, step_id, until, reason, first_at, case when status not in ('RUNNING', 'WAITING') then last_at end,
       trusted
from unnest($1::uuid[], $2::uuid[], $3::int[], $4::uuid[], $5::uuid[], $6::int[], $7::text[], $8::text[], $9::jsonb[],
            $10::text[], $11::uuid[], $12::timestamptz[], $13::text[], $14::timestamptz[], $15::timestamptz[],
            $16::boolean[])
    as new (project, id, version, workflow_id, contact_id, entry, email, trigger_event, context,
            status, step_id, until, reason, first_at, last_at, trusted)
on conflict (project, id) do update
    set version = excluded.version, status = excluded.status, step_id = excluded.step_id, until = excluded.until,
        reason = excluded.reason, completed_at = excluded.completed_at
"""
LOAD = """
select project, id, version, workflow_id, contact_id, entry, email, trigger_event, context,
       status, step_id, until, reason, started_at, completed_at, trusted
from execution
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
ENROLLMENTS = """
select project, workflow_id, contact_id, count(*) as count, bool_or(status in ('RUNNING', 'WAITING')) as active
from execution
where (project, workflow_id, contact_id) in (select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]))
group by project, workflow_id, contact_id
"""
NEWEST = """
select project, id, version, workflow_id, contact_id, entry, email, trigger_event, context,
       status, step_id, until, reason, started_at, completed_at, trusted
from execution
where project = $1 and workflow_id = $2 and ($3::text is null or status = $3)
order by started_at desc, id desc limit $4 offset $5
"""
COUNT = """
select count(*) from execution where project = $1 and workflow_id = $2 and ($3::text is null or status = $3)
"""

Key = tuple[UUID, UUID]
EnrollmentKey = tuple[UUID, UUID, UUID]
"""Project, workflow and contact."""

_decode_context = msgspec.json.Decoder(Data).decode


class Enrollments(msgspec.Struct, frozen=True, kw_only=True):
    """How many executions a contact has had of a workflow, and whether one of them is active."""

    count: int = 0
    active: bool = False


async def project(conn: Connection, events: Sequence[Envelope[Event]]) -> None:
    first = {_key(event): event for event in reversed(events)}
    last = {_key(event): event for event in events}
    stored = await load(conn, last.keys())
    states = evolve_states(decider, {key: state for key, (state, _) in stored.items()}, events, _key)
    changed = {key: state for key, state in states.items() if isinstance(state, Execution)}
    await conn.execute(
        SAVE,
        [project for project, _ in changed],
        [state.id for state in changed.values()],
        [last[key].version for key in changed],
        [state.workflow_id for state in changed.values()],
        [state.contact_id for state in changed.values()],
        [state.entry for state in changed.values()],
        [state.email for state in changed.values()],
        [state.trigger_event for state in changed.values()],
        [encode(state.context).decode() for state in changed.values()],
        [state.status for state in changed.values()],
        [state.step_id for state in changed.values()],
        [state.until for state in changed.values()],
        [state.reason for state in changed.values()],
        [first[key].at for key in changed],
        [last[key].at for key in changed],
        [state.trusted for state in changed.values()],
    )


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[Execution, int]]:
    """Return those of the executions (project, id) that exist, each with its version."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [execution_id for _, execution_id in keys])
    return {(row["project"], row["id"]): (_execution(row), row["version"]) for row in rows}


async def enrollments(conn: Connection, keys: Collection[EnrollmentKey]) -> dict[EnrollmentKey, Enrollments]:
    """Return the enrollments of each contact in each workflow. Keys without any are left out."""
    rows = await conn.fetch(
        ENROLLMENTS,
        [project for project, _, _ in keys],
        [workflow_id for _, workflow_id, _ in keys],
        [contact_id for _, _, contact_id in keys],
    )
    return {
        (row["project"], row["workflow_id"], row["contact_id"]): Enrollments(count=row["count"], active=row["active"])
        for row in rows
    }


async def newest(
    conn: Connection, project: UUID, workflow_id: UUID, status: ExecutionStatus | None, limit: int, offset: int
) -> list[Execution]:
    return [_execution(row) for row in await conn.fetch(NEWEST, project, workflow_id, status, limit, offset)]


async def count(conn: Connection, project: UUID, workflow_id: UUID, status: ExecutionStatus | None) -> int:
    total: int = await conn.fetchval(COUNT, project, workflow_id, status)
    return total


def _key(event: Envelope[Event]) -> Key:
    return event.project, event.message.execution_id


def _execution(row: asyncpg.Record) -> Execution:
    return Execution(
        id=row["id"],
        workflow_id=row["workflow_id"],
        contact_id=row["contact_id"],
        email=row["email"],
        trigger_event=row["trigger_event"],
        context=_decode_context(row["context"]),
        trusted=row["trusted"],
        entry=row["entry"],
        status=row["status"],
        step_id=row["step_id"],
        until=row["until"],
        reason=row["reason"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
    )
