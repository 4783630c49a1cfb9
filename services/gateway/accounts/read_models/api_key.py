"""API keys by their fingerprint."""

from collections.abc import Sequence

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.gateway import KeyIssued

NAME = "api_key"
TABLES = ("api_key",)
EVENTS = (KeyIssued,)

DDL = """
create table if not exists api_key (
    project uuid not null,
    id uuid not null,
    kind text not null,
    fingerprint text not null,
    hint text not null,
    created_at timestamptz not null,
    primary key (project, id),
    constraint api_key_is_of_one_project unique (fingerprint)
);
"""

INSERT = """
insert into api_key (project, id, kind, fingerprint, hint, created_at)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
on conflict (project, id) do nothing
"""

BY_FINGERPRINT = "select project, id, kind from api_key where fingerprint = $1"


async def project(conn: Connection, events: Sequence[Envelope[KeyIssued]]) -> None:
    await conn.execute(
        INSERT,
        [e.project for e in events],
        [e.message.key_id for e in events],
        [e.message.kind for e in events],
        [e.message.fingerprint for e in events],
        [e.message.hint for e in events],
        [e.at for e in events],
    )


async def by_fingerprint(conn: Connection, fingerprint: str) -> asyncpg.Record | None:
    """Return the project, id and kind of the key with this fingerprint."""
    return await conn.fetchrow(BY_FINGERPRINT, fingerprint)
