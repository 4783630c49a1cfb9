"""Segments: a name and the condition that says who is in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.contacts import Condition, SegmentCreated

NAME = "segment"
TABLES = ("segment",)
EVENTS = (SegmentCreated,)

DDL = """
create table if not exists segment (
    project uuid not null,
    id uuid not null,
    name text not null,
    slug text not null,
    description text,
    condition jsonb not null,
    track_membership boolean not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project, id)
);
"""

INSERT = """
insert into segment (project, id, name, slug, description, condition, track_membership, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
"""

LOAD = """
select id, name, slug, description, condition, track_membership, created_at, updated_at
from segment
where project = $1 and id = any($2::uuid[])
"""

LIST = """
select id, name, slug, description, condition, track_membership, created_at, updated_at
from segment
where project = $1
order by created_at desc, id desc
"""

_decode: msgspec.json.Decoder[Condition] = msgspec.json.Decoder(Condition)


class Row(msgspec.Struct, frozen=True):
    """A segment as it is stored."""

    id: UUID
    name: str
    slug: str
    description: str | None
    condition: Condition
    track_membership: bool
    created_at: datetime
    updated_at: datetime


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    await conn.executemany(INSERT, [_new_row(envelope) for envelope in events])


async def load(conn: Connection, project: UUID, ids: Sequence[UUID]) -> dict[UUID, Row]:
    return {row["id"]: _row_of(row) for row in await conn.fetch(LOAD, project, ids)}


async def find(conn: Connection, project: UUID, segment_id: UUID) -> Row | None:
    return (await load(conn, project, [segment_id])).get(segment_id)


async def list_all(conn: Connection, project: UUID) -> list[Row]:
    """Newest first."""
    return [_row_of(row) for row in await conn.fetch(LIST, project)]


def _row_of(row: Any) -> Row:
    return Row(
        row["id"],
        row["name"],
        row["slug"],
        row["description"],
        _decode.decode(row["condition"]),
        row["track_membership"],
        row["created_at"],
        row["updated_at"],
    )


def _new_row(envelope: Envelope[SegmentCreated]) -> tuple[object, ...]:
    event = envelope.message
    return (
        envelope.project,
        event.segment_id,
        event.name,
        event.slug,
        event.description,
        encode(event.condition).decode(),
        event.track_membership,
        envelope.version,
        envelope.at,
    )
