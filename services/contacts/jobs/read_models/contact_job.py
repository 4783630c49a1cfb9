"""Jobs as they stand. Whoever works on one locks its row."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import Codec, encode
from libs.runtime.eventstore.envelope import Envelope, Meta, meta_of
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Event
from libs.schemas.contacts.events import EventDeletionStarted
from libs.schemas.contacts.fields import FieldRemovalStarted
from libs.schemas.contacts.jobs import (
    BulkStarted,
    ImportStarted,
    JobCounts,
    JobEnded,
    JobProgressed,
)
from services.contacts.jobs.job import Job, Spec

NAME = "contact_job"
TABLES = ("contact_job",)
EVENTS = (ImportStarted, BulkStarted, EventDeletionStarted, FieldRemovalStarted, JobProgressed, JobEnded)
KINDS: dict[type[Event], str] = {
    ImportStarted: "import",
    BulkStarted: "bulk",
    EventDeletionStarted: "event-deletion",
    FieldRemovalStarted: "field-deletion",
}

# One file is imported by one job at a time: who comes second finds the first.
DDL = """
create table if not exists contact_job (
    project uuid not null,
    id uuid not null,
    kind text not null,
    state text not null,
    version int not null,
    spec jsonb not null,
    meta jsonb not null,
    digest text,
    cursor text not null default '',
    total int not null,
    counts jsonb not null default '{}',
    reason text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    ended_at timestamptz,
    primary key (project, id)
);
create unique index if not exists contact_job_file on contact_job (project, digest) where ended_at is null;
create index if not exists contact_job_open on contact_job (updated_at) where ended_at is null;
"""

START = """
insert into contact_job (project, id, kind, state, version, spec, meta, digest, total, created_at, updated_at)
values ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, $9, $9)
"""

PROGRESS = """
update contact_job set state = 'active', version = $3, cursor = $4, total = $5, counts = $6, updated_at = $7
where project = $1 and id = $2
"""

END = """
update contact_job set state = $4, version = $3, reason = $5, updated_at = $6, ended_at = $6
where project = $1 and id = $2
"""

COLUMNS = "project, id, kind, state, version, spec, meta, cursor, total, counts, reason, created_at"

FIND = f"select {COLUMNS} from contact_job where project = $1 and id = $2"  # noqa: S608 - a constant

# The job whose last page was longest ago comes first, so that a large one lets the others have their turns.
CLAIM = f"""
select {COLUMNS} from contact_job where ended_at is null
order by updated_at limit 1
for update skip locked
"""  # noqa: S608 - a constant

SAME_FILE = """
select id from contact_job
where project = $1 and digest = $2 and (ended_at is null or state = 'completed' and ended_at > $3)
order by created_at desc limit 1
"""

REMEMBERED = timedelta(days=1)

_specs: Codec[Any] = Codec(list(KINDS))


class Row(msgspec.Struct, frozen=True):
    """A job with what its work does not need. `meta` is of the fact that started it."""

    job: Job
    meta: Meta
    reason: str | None


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    for envelope in events:
        await _apply(conn, envelope)


async def find(conn: Connection, project: UUID, job_id: UUID) -> Row | None:
    row = await conn.fetchrow(FIND, project, job_id)
    return _row_of(row) if row else None


async def claim(conn: Connection) -> Row | None:
    """A job that nobody works on, locked until the end of the transaction."""
    row = await conn.fetchrow(CLAIM)
    return _row_of(row) if row else None


async def same_file(conn: Connection, project: UUID, digest: str, now: Any) -> UUID | None:
    """The job that imports this file, or has done so lately."""
    found: UUID | None = await conn.fetchval(SAME_FILE, project, digest, now - REMEMBERED)
    return found


async def _apply(conn: Connection, envelope: Envelope[Any]) -> None:
    event, place = envelope.message, (envelope.project, envelope.message.job_id)
    match event:
        case JobProgressed():
            counts = encode(event.counts).decode()
            await conn.execute(PROGRESS, *place, envelope.version, event.cursor, event.total, counts, envelope.at)
        case JobEnded():
            await conn.execute(END, *place, envelope.version, event.state, event.reason, envelope.at)
        case _:
            spec, meta = encode(event).decode(), encode(envelope.causes()).decode()
            digest, total = getattr(event, "digest", None), getattr(event, "rows", 0)
            kind = KINDS[type(event)]
            await conn.execute(START, *place, kind, envelope.version, spec, meta, digest, total, envelope.at)


def _row_of(row: Any) -> Row:
    spec: Spec = _specs.decode(row["spec"])
    job = Job(
        project=row["project"],
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        version=row["version"],
        spec=spec,
        cursor=row["cursor"],
        total=row["total"],
        counts=msgspec.json.decode(row["counts"], type=JobCounts),
    )
    return Row(job, meta_of(row["meta"]), row["reason"])
