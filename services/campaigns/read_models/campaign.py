"""Campaigns as they are now. The decider's `evolve` says what an event makes of one."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.aggregate import evolved
from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.campaigns import Audience, CampaignCreated, CampaignSendingStarted, CampaignSent, CampaignStatus
from libs.schemas.delivery import Content
from services.campaigns import campaign as decider
from services.campaigns.campaign import Campaign, Event

NAME = "campaign"
TABLES = ("campaign",)
EVENTS = (CampaignCreated, CampaignSendingStarted, CampaignSent)
DDL = """
create table if not exists campaign (
    project uuid not null,
    id uuid not null,
    version int not null,
    status text not null,
    name text not null,
    description text,
    content jsonb not null,
    audience jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    sent_at timestamptz,
    primary key (project, id)
);
"""

SAVE = """
insert into campaign (project, id, version, status, name, description, content, audience,
                      created_at, updated_at, sent_at)
select project, id, version, status, name, description, content, audience,
       first_at, last_at, case when status = 'SENT' then last_at end
from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[],
            $9::timestamptz[], $10::timestamptz[])
    as new (project, id, version, status, name, description, content, audience, first_at, last_at)
on conflict (project, id) do update
    set version = excluded.version, status = excluded.status, name = excluded.name,
        description = excluded.description, content = excluded.content, audience = excluded.audience,
        updated_at = excluded.updated_at, sent_at = excluded.sent_at
"""
LOAD = """
select project, id, version, status, name, description, content, audience, created_at, updated_at, sent_at
from campaign
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
NEWEST = """
select id, status, name, description, content, audience, created_at, updated_at, sent_at from campaign
where project = $1 and ($2::text is null or status = $2)
order by created_at desc, id desc limit $3 offset $4
"""
COUNT = "select count(*) from campaign where project = $1 and ($2::text is null or status = $2)"

Key = tuple[UUID, UUID]


async def project(conn: Connection, events: Sequence[Envelope[Event]]) -> None:
    first = {_key(e): e for e in reversed(events)}
    last = {_key(e): e for e in events}
    stored = await load(conn, last.keys())
    states = evolved(decider, {key: state for key, (state, _) in stored.items()}, events, _key)
    changed = {key: state for key, state in states.items() if isinstance(state, Campaign)}
    await conn.execute(
        SAVE,
        [project for project, _ in changed],
        [campaign_id for _, campaign_id in changed],
        [last[key].version for key in changed],
        [state.status for state in changed.values()],
        [state.name for state in changed.values()],
        [state.description for state in changed.values()],
        [encode(state.content).decode() for state in changed.values()],
        [encode(state.audience).decode() for state in changed.values()],
        [first[key].at for key in changed],
        [last[key].at for key in changed],
    )


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[Campaign, int]]:
    """The campaigns of these (project, id), each with its version."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    return {(row["project"], row["id"]): (_campaign(row), row["version"]) for row in rows}


async def newest(
    conn: Connection, project: UUID, status: CampaignStatus | None, limit: int, offset: int
) -> list[tuple[UUID, Campaign]]:
    return [(row["id"], _campaign(row)) for row in await conn.fetch(NEWEST, project, status, limit, offset)]


async def count(conn: Connection, project: UUID, status: CampaignStatus | None) -> int:
    total: int = await conn.fetchval(COUNT, project, status)
    return total


def _key(event: Envelope[Event]) -> Key:
    return event.project, event.message.campaign_id


def _campaign(row: asyncpg.Record) -> Campaign:
    return Campaign(
        status=row["status"],
        name=row["name"],
        description=row["description"],
        content=msgspec.json.decode(row["content"], type=Content),
        audience=msgspec.json.decode(row["audience"], type=Audience),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sent_at=row["sent_at"],
    )
