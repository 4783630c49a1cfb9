"""API keys by their fingerprint."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.gateway import KeyIssued, KeyRevoked
from services.gateway.accounts.api_key import ApiKey

NAME = "api_key"
TABLES = ("api_key",)
EVENTS = (KeyIssued, KeyRevoked)
BOOTSTRAP = "bootstrap"
"""The actor of the keys that come from the settings."""

# A row without a value in `from_settings` is older than the column. Every key came from the settings then.
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
alter table api_key add column if not exists from_settings boolean not null default true;
alter table api_key add column if not exists revoked_at timestamptz;
"""

INSERT = """
insert into api_key (project, id, kind, fingerprint, hint, created_at, from_settings)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::boolean[]
)
on conflict (project, id) do nothing
"""
REVOKE = """
update api_key set revoked_at = coalesce(revoked_at, revoked.at)
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as revoked (project, id, at)
where api_key.project = revoked.project and api_key.id = revoked.id
"""

LIVE_BY_FINGERPRINT = "select project, id, kind from api_key where fingerprint = $1 and revoked_at is null"
COLUMNS = "project, id, kind, fingerprint, hint, from_settings, revoked_at is not null as revoked"
LOAD = f"select {COLUMNS} from api_key where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))"  # noqa: S608
KNOWN_AT_START = f"""
select {COLUMNS} from api_key where from_settings or fingerprint = any($1::text[]) order by created_at, id
"""  # noqa: S608


async def project(conn: Connection, events: Sequence[Envelope[KeyIssued | KeyRevoked]]) -> None:
    await _insert(conn, [e for e in events if isinstance(e.message, KeyIssued)])
    revoked = [e for e in events if isinstance(e.message, KeyRevoked)]
    if revoked:
        columns = ([e.project for e in revoked], [e.message.key_id for e in revoked], [e.at for e in revoked])
        await conn.execute(REVOKE, *columns)


async def _insert(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    if not events:
        return
    await conn.execute(
        INSERT,
        [e.project for e in events],
        [e.message.key_id for e in events],
        [e.message.kind for e in events],
        [e.message.fingerprint for e in events],
        [e.message.hint for e in events],
        [e.at for e in events],
        [e.meta.actor == BOOTSTRAP for e in events],
    )


async def live_by_fingerprint(conn: Connection, fingerprint: str) -> asyncpg.Record | None:
    """Return the project, id and kind of the key with this fingerprint, unless it was revoked."""
    return await conn.fetchrow(LIVE_BY_FINGERPRINT, fingerprint)


async def load(conn: Connection, keys: Sequence[tuple[UUID, UUID]]) -> list[ApiKey]:
    """Return the keys with these projects and ids."""
    return [ApiKey(**row) for row in await conn.fetch(LOAD, *zip(*keys, strict=True))] if keys else []


async def known_at_start(conn: Connection, fingerprints: Sequence[str]) -> list[ApiKey]:
    """Return the keys that the settings named so far, oldest first, and those with these fingerprints."""
    return [ApiKey(**row) for row in await conn.fetch(KNOWN_AT_START, fingerprints)]
