"""Templates as they are now."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.campaigns import TemplateCreated
from libs.schemas.delivery import Content
from services.campaigns.template import Template

NAME = "template"
TABLES = ("template",)
EVENTS = (TemplateCreated,)
DDL = """
create table if not exists template (
    project uuid not null,
    id uuid not null,
    version int not null,
    name text not null,
    description text,
    content jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project, id)
);
"""

ADD = """
insert into template (project, id, version, name, description, content, created_at, updated_at)
select project, id, version, name, description, content, at, at
from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::timestamptz[])
    as new (project, id, version, name, description, content, at)
"""
LOAD = """
select project, id, version, name, description, content, created_at, updated_at from template
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
NEWEST = """
select id, name, description, content, created_at, updated_at from template
where project = $1 order by created_at desc, id desc limit $2 offset $3
"""
COUNT = "select count(*) from template where project = $1"


async def project(conn: Connection, events: Sequence[Envelope[TemplateCreated]]) -> None:
    await conn.execute(
        ADD,
        [e.project for e in events],
        [e.message.template_id for e in events],
        [e.version for e in events],
        [e.message.name for e in events],
        [e.message.description for e in events],
        [encode(e.message.content).decode() for e in events],
        [e.at for e in events],
    )


async def load(conn: Connection, keys: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], tuple[Template, int]]:
    """The templates of these (project, id), each with its version."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [template_id for _, template_id in keys])
    return {(row["project"], row["id"]): (_template(row), row["version"]) for row in rows}


async def newest(conn: Connection, project: UUID, limit: int, offset: int) -> list[tuple[UUID, Template]]:
    return [(row["id"], _template(row)) for row in await conn.fetch(NEWEST, project, limit, offset)]


async def count(conn: Connection, project: UUID) -> int:
    total: int = await conn.fetchval(COUNT, project)
    return total


def _template(row: asyncpg.Record) -> Template:
    return Template(
        name=row["name"],
        description=row["description"],
        content=msgspec.json.decode(row["content"], type=Content),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
