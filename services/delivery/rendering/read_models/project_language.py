"""Projects' defaults for contacts without a language or time zone of their own, and whether projects track."""

from collections.abc import Sequence

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.gateway import ProjectCreated, ProjectUpdated

NAME = "project_language"
TABLES = ("project_language",)
EVENTS = (ProjectCreated, ProjectUpdated)
DDL = """
create table if not exists project_language (
    project uuid primary key,
    language text,
    version int not null
);
alter table project_language
    add column if not exists timezone text,
    add column if not exists tracking boolean not null default true;
"""

KEEP = """
insert into project_language (project, language, timezone, tracking, version)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::int[])
on conflict (project) do update
    set language = excluded.language, timezone = excluded.timezone, tracking = excluded.tracking,
        version = excluded.version
where excluded.version > project_language.version
"""


async def project(conn: Connection, events: Sequence[Envelope[ProjectCreated | ProjectUpdated]]) -> None:
    latest = {e.project: e for e in sorted(events, key=lambda e: e.version)}
    await conn.execute(
        KEEP,
        list(latest),
        [e.message.language for e in latest.values()],
        [e.message.timezone for e in latest.values()],
        [e.message.tracking for e in latest.values()],
        [e.version for e in latest.values()],
    )
