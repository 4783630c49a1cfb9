"""Jobs in their current state. A worker locks the row of the job whose page it does."""

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
from libs.schemas.contacts.fields import FieldDeletionJobStarted
from libs.schemas.contacts.jobs import (
    BulkStarted,
    ImportStarted,
    JobCounts,
    JobEnded,
    JobProgressed,
)
from services.contacts.jobs.job import Job, JobSpec

NAME = "contact_job"
TABLES = ("contact_job",)
EVENTS = (ImportStarted, BulkStarted, EventDeletionStarted, FieldDeletionJobStarted, JobProgressed, JobEnded)
KINDS: dict[type[Event], str] = {
    ImportStarted: "import",
    BulkStarted: "bulk",
    EventDeletionStarted: "event-deletion",
    FieldDeletionJobStarted: "field-deletion",
}

# A file is imported by one job at a time: the unique index rejects a second one, and its retry finds the first.
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

# The job whose last page was longest ago comes first, so a large job lets the others have their turns.
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

REMEMBERED_FOR = timedelta(days=1)

_specs: Codec[Any] = Codec(list(KINDS))


class JobRow(msgspec.Struct, frozen=True):
    """A job with what its pages do not need. `meta` is that of the event that started it."""

    job: Job
    meta: Meta
    reason: str | None


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    for envelope in events:
        await _apply(conn, envelope)


async def find(conn: Connection, project: UUID, job_id: UUID) -> JobRow | None:
    row = await conn.fetchrow(FIND, project, job_id)
    return _row_of(row) if row else None


async def claim(conn: Connection) -> JobRow | None:
    """Return an open job that no one else works on, and lock it until the transaction ends."""
    row = await conn.fetchrow(CLAIM)
    return _row_of(row) if row else None


async def find_import_of(conn: Connection, project: UUID, digest: str, now: Any) -> UUID | None:
    """Return the job that imports the file with this digest, or did so within the last day."""
    found: UUID | None = await conn.fetchval(SAME_FILE, project, digest, now - REMEMBERED_FOR)
    return found


async def _apply(conn: Connection, envelope: Envelope[Any]) -> None:
    event, key = envelope.message, (envelope.project, envelope.message.job_id)
    match event:
        case JobProgressed():
            counts = encode(event.counts).decode()
            await conn.execute(PROGRESS, *key, envelope.version, event.cursor, event.total, counts, envelope.at)
        case JobEnded():
            await conn.execute(END, *key, envelope.version, event.state, event.reason, envelope.at)
        case _:
            spec, meta = encode(event).decode(), encode(envelope.causes()).decode()
            digest, total = getattr(event, "digest", None), getattr(event, "rows", 0)
            kind = KINDS[type(event)]
            await conn.execute(START, *key, kind, envelope.version, spec, meta, digest, total, envelope.at)


def _row_of(row: Any) -> JobRow:
    spec: JobSpec = _specs.decode(row["spec"])
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
    return JobRow(job, meta_of(row["meta"]), row["reason"])
