"""Projects by their id."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.gateway import ProjectCreated

NAME = "project"
TABLES = ("project",)
EVENTS = (ProjectCreated,)

DDL = """
create table if not exists project (
    id uuid primary key,
    name text not null,
    created_at timestamptz not null
);
"""

INSERT = """
insert into project (id, name, created_at)
select * from unnest($1::uuid[], $2::text[], $3::timestamptz[])
on conflict do nothing
"""

NAME_OF = "select name from project where id = $1"


async def project(conn: Connection, events: Sequence[Envelope[ProjectCreated]]) -> None:
    await conn.execute(
        INSERT, [e.message.project_id for e in events], [e.message.name for e in events], [e.at for e in events]
    )


async def name_of(conn: Connection, project_id: UUID) -> str | None:
    name: str | None = await conn.fetchval(NAME_OF, project_id)
    return name
