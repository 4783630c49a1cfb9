"""Campaigns as they are now. The decider's `evolve` says what an event makes of one."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.campaigns import Audience, CampaignCreated, CampaignSendingStarted, CampaignSent, CampaignStatus
from libs.schemas.delivery import Content
from services.campaigns.campaign import INITIAL, Campaign, Event, evolve

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
    first = {(e.project, e.message.campaign_id): e for e in reversed(events)}
    last = {(e.project, e.message.campaign_id): e for e in events}
    states = await _evolved(conn, events)
    await conn.execute(
        SAVE,
        [project for project, _ in last],
        [campaign_id for _, campaign_id in last],
        [e.version for e in last.values()],
        [states[key].status for key in last],
        [states[key].name for key in last],
        [states[key].description for key in last],
        [encode(states[key].content).decode() for key in last],
        [encode(states[key].audience).decode() for key in last],
        [first[key].at for key in last],
        [e.at for e in last.values()],
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


async def _evolved(conn: Connection, events: Sequence[Envelope[Event]]) -> dict[Key, Campaign]:
    """What the events make of the campaigns that they are about."""
    stored = await load(conn, {(e.project, e.message.campaign_id) for e in events})
    states = {key: state for key, (state, _) in stored.items()}
    for e in events:
        key = (e.project, e.message.campaign_id)
        state = evolve(states.get(key, INITIAL), e.message)
        assert isinstance(state, Campaign)
        states[key] = state
    return states


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
