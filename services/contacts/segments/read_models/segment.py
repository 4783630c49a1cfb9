"""Segments with their names and conditions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition
from libs.schemas.contacts.segments import (
    SegmentCreated,
    SegmentDeleted,
    SegmentMembersAdded,
    SegmentMembersRemoved,
    SegmentType,
    SegmentUpdated,
)

NAME = "segment"
TABLES = ("segment",)
EVENTS = (SegmentCreated, SegmentUpdated, SegmentDeleted, SegmentMembersAdded, SegmentMembersRemoved)

DDL = """
create table if not exists segment (
    project uuid not null,
    id uuid not null,
    name text not null,
    slug text not null,
    description text,
    condition jsonb,
    track_membership boolean not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    kind text not null default 'DYNAMIC',
    primary key (project, id)
);
alter table segment add column if not exists kind text not null default 'DYNAMIC';
alter table segment alter column condition drop not null;
"""

INSERT = """
insert into segment
    (project, id, version, created_at, updated_at, name, slug, description, condition, track_membership, kind)
values ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10)
"""

UPDATE = """
update segment set version = $3, updated_at = $4, name = $5, description = $6, condition = $7, track_membership = $8
where project = $1 and id = $2
"""

SET_VERSION = "update segment set version = $3 where project = $1 and id = $2"

DELETE = "delete from segment where project = $1 and id = $2"

LOAD = """
select id, name, slug, description, condition, track_membership, kind, version, created_at, updated_at
from segment
where project = $1 and id = any($2::uuid[])
"""

LIST = """
select id, name, slug, description, condition, track_membership, kind, version, created_at, updated_at
from segment
where project = $1
order by created_at desc, id desc
"""

_decode: msgspec.json.Decoder[Condition | None] = msgspec.json.Decoder(Condition | None)


class SegmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as it is stored; a static one has no condition. `version` is that of its last event."""

    id: UUID
    name: str
    slug: str
    description: str | None
    condition: Condition | None
    track_membership: bool
    kind: SegmentType
    version: int
    created_at: datetime
    updated_at: datetime


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Fold the events one by one: they are rare."""
    for envelope in events:
        await _fold(conn, envelope)


async def load(conn: Connection, project: UUID, ids: Collection[UUID]) -> dict[UUID, SegmentRow]:
    return {row["id"]: _row_of(row) for row in await conn.fetch(LOAD, project, ids)}


async def find(conn: Connection, project: UUID, segment_id: UUID) -> SegmentRow | None:
    return (await load(conn, project, [segment_id])).get(segment_id)


async def list_all(conn: Connection, project: UUID) -> list[SegmentRow]:
    """Return the project's segments, newest first."""
    return [_row_of(row) for row in await conn.fetch(LIST, project)]


async def _fold(conn: Connection, envelope: Envelope[Any]) -> None:
    event = envelope.message
    key = (envelope.project, event.segment_id, envelope.version)
    match event:
        case SegmentCreated():
            created = (event.name, event.slug, event.description, _json(event.condition))
            await conn.execute(INSERT, *key, envelope.at, *created, event.track_membership, event.kind)
        case SegmentUpdated():
            updated = (event.name, event.description, _json(event.condition))
            await conn.execute(UPDATE, *key, envelope.at, *updated, event.track_membership)
        case SegmentDeleted():
            await conn.execute(DELETE, *key[:2])
        case _:
            await conn.execute(SET_VERSION, *key)


def _json(condition: Condition | None) -> str | None:
    return encode(condition).decode() if condition else None


def _row_of(row: Any) -> SegmentRow:
    return SegmentRow(
        id=row["id"],
        name=row["name"],
        slug=row["slug"],
        description=row["description"],
        condition=_decode.decode(row["condition"] or "null"),
        track_membership=row["track_membership"],
        kind=row["kind"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
