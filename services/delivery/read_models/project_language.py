"""Which language a project speaks to contacts who have not said theirs."""

from collections.abc import Sequence

from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
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
"""

KEEP = """
insert into project_language (project, language, version)
select * from unnest($1::uuid[], $2::text[], $3::int[])
on conflict (project) do update set language = excluded.language, version = excluded.version
where excluded.version > project_language.version
"""


async def project(conn: Connection, events: Sequence[Envelope[ProjectCreated | ProjectUpdated]]) -> None:
    latest = {e.project: e for e in sorted(events, key=lambda e: e.version)}
    await conn.execute(
        KEEP,
        list(latest),
        [e.message.language for e in latest.values()],
        [e.version for e in latest.values()],
    )
