"""Projects by their id, with their settings."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.gateway import ProjectCreated, ProjectUpdated

NAME = "project"
TABLES = ("project",)
EVENTS = (ProjectCreated, ProjectUpdated)

DDL = """
create table if not exists project (
    id uuid primary key,
    name text not null,
    created_at timestamptz not null
);
alter table project add column if not exists language text;
alter table project add column if not exists version int not null default 1;
alter table project add column if not exists updated_at timestamptz;
alter table project add column if not exists timezone text;
alter table project add column if not exists tracking boolean not null default true;
"""

SAVE = """
insert into project (id, name, language, timezone, tracking, version, created_at, updated_at)
select id, name, language, timezone, tracking, version, at, at
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::int[], $7::timestamptz[])
    as new (id, name, language, timezone, tracking, version, at)
on conflict (id) do update
    set name = excluded.name, language = excluded.language, timezone = excluded.timezone, tracking = excluded.tracking,
        version = excluded.version, updated_at = excluded.updated_at
"""

LOAD = """
select id, name, language, timezone, tracking, version, created_at, coalesce(updated_at, created_at) as updated_at
from project where id = any($1::uuid[])
"""


class Sender(msgspec.Struct, frozen=True):
    """The sender of a project's mails, as its pages name it."""

    name: str | None = None
    language: str | None = None


class ProjectRow(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    language: str | None
    timezone: str | None
    tracking: bool
    version: int
    created_at: datetime
    updated_at: datetime


async def project(conn: Connection, events: Sequence[Envelope[ProjectCreated | ProjectUpdated]]) -> None:
    latest = {e.message.project_id: e for e in events}.values()
    await conn.execute(
        SAVE,
        [e.message.project_id for e in latest],
        [e.message.name for e in latest],
        [e.message.language for e in latest],
        [e.message.timezone for e in latest],
        [e.message.tracking for e in latest],
        [e.version for e in latest],
        [e.at for e in latest],
    )


async def load(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, ProjectRow]:
    return {row["id"]: ProjectRow(*row) for row in await conn.fetch(LOAD, ids)}


async def sender_of(conn: Connection, project_id: UUID) -> Sender:
    row = (await load(conn, [project_id])).get(project_id)
    return Sender(row.name, row.language) if row else Sender()
