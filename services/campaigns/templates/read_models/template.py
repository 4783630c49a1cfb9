"""The current state of each template, evolved by the decider."""

from collections.abc import Collection, Sequence
from typing import get_args
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.aggregate import evolve_states
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.templates import TemplateContent
from libs.schemas.delivery.content import Content, Kind
from services.campaigns.templates import template as decider
from services.campaigns.templates.template import Event, Template

NAME = "template"
TABLES = ("template",)
EVENTS = get_args(Event)
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

SAVE = """
insert into template (project, id, version, name, description, content, created_at, updated_at)
select project, id, version, name, description, content, first_at, last_at
from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::timestamptz[],
            $8::timestamptz[])
    as new (project, id, version, name, description, content, first_at, last_at)
on conflict (project, id) do update
    set version = excluded.version, name = excluded.name, description = excluded.description,
        content = excluded.content, updated_at = excluded.updated_at
"""
REMOVE = "delete from template where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
LOAD = """
select project, id, version, name, description, content, created_at, updated_at from template
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
NEWEST = """
select id, version, name, description, content, created_at, updated_at from template
where project = $1 and ($2::text is null or content ->> 'kind' = $2)
    and ($3::text is null or strpos(lower(name), $3) > 0 or strpos(lower(content ->> 'subject'), $3) > 0)
order by created_at desc, id desc limit $4 offset $5
"""
COUNT = """
select count(*) from template
where project = $1 and ($2::text is null or content ->> 'kind' = $2)
    and ($3::text is null or strpos(lower(name), $3) > 0 or strpos(lower(content ->> 'subject'), $3) > 0)
"""

Key = tuple[UUID, UUID]

_decode_content = msgspec.json.Decoder(Content).decode


async def project(conn: Connection, events: Sequence[Envelope[Event]]) -> None:
    first = {_key(e): e.at for e in reversed(events)}
    last = {_key(e): e for e in events}
    states = evolve_states(decider, await load(conn, last.keys()), events, _key)
    kept = {key: state for key, state in states.items() if isinstance(state, Template)}
    deleted = states.keys() - kept.keys()
    if deleted:
        await conn.execute(REMOVE, [project for project, _ in deleted], [template_id for _, template_id in deleted])
    await conn.execute(
        SAVE,
        [project for project, _ in kept],
        [template_id for _, template_id in kept],
        [last[key].version for key in kept],
        [state.current.name for state in kept.values()],
        [state.current.description for state in kept.values()],
        [encode(state.current.content).decode() for state in kept.values()],
        [first[key] for key in kept],
        [last[key].at for key in kept],
    )


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, Template]:
    """Return the templates of these (project, id)."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [template_id for _, template_id in keys])
    return {(row["project"], row["id"]): _template(row) for row in rows}


async def newest(
    conn: Connection, project: UUID, kind: Kind | None, search: str | None, limit: int, offset: int
) -> list[Template]:
    """Return a page of templates, newest first. `search` is a part of the name or the subject in lower case."""
    rows = await conn.fetch(NEWEST, project, kind, search, limit, offset)
    return [_template(row) for row in rows]


async def count(conn: Connection, project: UUID, kind: Kind | None, search: str | None) -> int:
    total: int = await conn.fetchval(COUNT, project, kind, search)
    return total


def _key(event: Envelope[Event]) -> Key:
    return event.project, event.message.template_id


def _template(row: asyncpg.Record) -> Template:
    return Template(
        current=TemplateContent(
            template_id=row["id"],
            name=row["name"],
            description=row["description"],
            content=_decode_content(row["content"]),
        ),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
