"""Campaigns as they are now. The decider's `evolve` says what an event makes of one."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.aggregate import evolve_states
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.ab_tests import AbTest
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignCancelled,
    CampaignCreated,
    CampaignDeleted,
    CampaignFailed,
    CampaignFailure,
    CampaignMissed,
    CampaignPaused,
    CampaignResolving,
    CampaignResumed,
    CampaignScheduled,
    CampaignSendingStarted,
    CampaignSent,
    CampaignStatus,
    CampaignTestSent,
    CampaignUnscheduled,
    CampaignUpdated,
    CampaignUse,
    CampaignWinnerDecided,
    SendWindow,
)
from libs.schemas.campaigns.templates import TemplateCampaign
from libs.schemas.delivery.content import Content
from services.campaigns.ab_tests.decision import AbTestProgress
from services.campaigns.campaigns import campaign as decider
from services.campaigns.campaigns.campaign import Campaign, Event
from services.campaigns.campaigns.draft import Draft

NAME = "campaign"
TABLES = ("campaign",)
TRANSITIONS = (
    CampaignScheduled,
    CampaignUnscheduled,
    CampaignMissed,
    CampaignFailed,
    CampaignSendingStarted,
    CampaignPaused,
    CampaignResumed,
    CampaignCancelled,
)
"""That somebody asked for, or a schedule. What the run itself brings about overtakes nobody."""
EVENTS = (
    CampaignCreated,
    CampaignUpdated,
    CampaignDeleted,
    CampaignResolving,
    CampaignTestSent,
    CampaignWinnerDecided,
    CampaignSent,
    *TRANSITIONS,
)
DDL = """
create table if not exists campaign (
    project uuid not null,
    id uuid not null,
    version int not null,
    status text not null,
    name text not null,
    description text,
    content jsonb not null,
    audience jsonb not null,            -- JSON null until there is one
    created_at timestamptz not null,
    updated_at timestamptz not null,
    sent_at timestamptz,
    primary key (project, id)
);
alter table campaign
    add column if not exists preheader text,
    add column if not exists markdown text,
    add column if not exists language text,
    add column if not exists template_id uuid,
    add column if not exists scheduled_for timestamptz,
    add column if not exists failure jsonb,
    add column if not exists transitioned_at timestamptz,
    add column if not exists send_rate int,
    add column if not exists send_window jsonb,
    add column if not exists unknown_policy text not null default 'RESEND',
    add column if not exists ab_test jsonb,
    add column if not exists experiment jsonb;      -- how far the test is, of one that is being sent
"""

SAVE = """
insert into campaign (project, id, version, status, name, description, content, audience, preheader, markdown,
                      language, template_id, scheduled_for, failure, transitioned_at, created_at, updated_at, sent_at,
                      send_rate, send_window, unknown_policy, ab_test, experiment)
select project, id, version, status, name, description, content, audience, preheader, markdown,
       language, template_id, scheduled_for, failure, transitioned_at, first_at, last_at,
       case when status = 'SENT' then last_at end, send_rate, send_window, unknown_policy, ab_test, experiment
from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[],
            $9::text[], $10::text[], $11::text[], $12::uuid[], $13::timestamptz[], $14::jsonb[], $15::timestamptz[],
            $16::timestamptz[], $17::timestamptz[], $18::int[], $19::jsonb[], $20::text[], $21::jsonb[],
            $22::jsonb[])
    as new (project, id, version, status, name, description, content, audience, preheader, markdown,
            language, template_id, scheduled_for, failure, transitioned_at, first_at, last_at, send_rate, send_window,
            unknown_policy, ab_test, experiment)
on conflict (project, id) do update
    set version = excluded.version, status = excluded.status, name = excluded.name,
        description = excluded.description, content = excluded.content, audience = excluded.audience,
        preheader = excluded.preheader, markdown = excluded.markdown, language = excluded.language,
        template_id = excluded.template_id, send_rate = excluded.send_rate, send_window = excluded.send_window,
        unknown_policy = excluded.unknown_policy, ab_test = excluded.ab_test, experiment = excluded.experiment,
        scheduled_for = excluded.scheduled_for, failure = excluded.failure,
        transitioned_at = coalesce(excluded.transitioned_at, campaign.transitioned_at),
        updated_at = excluded.updated_at, sent_at = coalesce(excluded.sent_at, campaign.sent_at)
"""
REMOVE = "delete from campaign where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
LOAD = """
select project, id, version, status, name, description, content, audience, preheader, markdown, language,
       template_id, scheduled_for, failure, transitioned_at, created_at, updated_at, sent_at, send_rate, send_window,
       unknown_policy, ab_test, experiment
from campaign
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
QUEUED = """
select project, id, version from campaign
where status = 'QUEUED' and (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
MADE_OF = """
select project, template_id, count(*) from campaign
where status not in ('SENT', 'CANCELLED')
    and (project, template_id) in (select * from unnest($1::uuid[], $2::uuid[]))
group by project, template_id
"""
USING = """
select id, name, status from campaign where project = $1 and template_id = $2 order by created_at desc, id desc
"""
NEWEST = """
select id, status, name, description, content, audience, preheader, markdown, language,
       template_id, scheduled_for, failure, transitioned_at, created_at, updated_at, sent_at, send_rate, send_window,
       unknown_policy, ab_test, experiment
from campaign
where project = $1 and ($2::text is null or status = $2) and ($3::text is null or strpos(lower(name), $3) > 0)
order by created_at desc, id desc limit $4 offset $5
"""
COUNT = """
select count(*) from campaign
where project = $1 and ($2::text is null or status = $2) and ($3::text is null or strpos(lower(name), $3) > 0)
"""

# A segment is named by its id, or by a filter of the audience's condition.
OF_SEGMENT = """
select id, name, status from campaign
where project = $1 and status not in ('SENT', 'FAILED', 'CANCELLED')
    and (audience ->> 'segmentId' = $2 or audience ->> 'listId' = $2
        or strpos(lower(audience::text), '"segment.' || $2 || '"') > 0)
order by created_at desc, id desc
limit 100
"""

Key = tuple[UUID, UUID]

_decode_audience = msgspec.json.Decoder(Audience | None).decode
_decode_content = msgspec.json.Decoder(Content).decode
_decode_window = msgspec.json.Decoder(SendWindow).decode
_decode_ab_test = msgspec.json.Decoder(AbTest).decode
_decode_ab_test_progress = msgspec.json.Decoder(AbTestProgress).decode
_decode_failure = msgspec.json.Decoder(CampaignFailure).decode


async def project(conn: Connection, events: Sequence[Envelope[Event]]) -> None:
    first = {_key(e): e.at for e in reversed(events)}
    last = {_key(e): e for e in events}
    moved = {_key(e): e.at for e in events if isinstance(e.message, TRANSITIONS)}
    stored = await load(conn, last.keys())
    states = evolve_states(decider, {key: state for key, (state, _) in stored.items()}, events, _key)
    kept = {key: state for key, state in states.items() if isinstance(state, Campaign)}
    gone = states.keys() - kept.keys()
    if gone:
        await conn.execute(REMOVE, [project for project, _ in gone], [campaign_id for _, campaign_id in gone])
    await conn.execute(
        SAVE,
        [project for project, _ in kept],
        [campaign_id for _, campaign_id in kept],
        [last[key].version for key in kept],
        [state.status for state in kept.values()],
        [state.draft.name for state in kept.values()],
        [state.draft.description for state in kept.values()],
        [encode(state.draft.content).decode() for state in kept.values()],
        [encode(state.draft.audience).decode() for state in kept.values()],
        [state.draft.preheader for state in kept.values()],
        [state.draft.markdown for state in kept.values()],
        [state.draft.language for state in kept.values()],
        [state.draft.template_id for state in kept.values()],
        [state.scheduled_for for state in kept.values()],
        [encode(state.failure).decode() if state.failure else None for state in kept.values()],
        [moved.get(key) for key in kept],
        [first[key] for key in kept],
        [last[key].at for key in kept],
        [state.draft.send_rate for state in kept.values()],
        [encode(window).decode() if (window := state.draft.send_window) else None for state in kept.values()],
        [state.draft.unknown_policy for state in kept.values()],
        [encode(state.draft.ab_test).decode() if state.draft.ab_test else None for state in kept.values()],
        [encode(state.ab_test_progress).decode() if state.ab_test_progress else None for state in kept.values()],
    )


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[Campaign, int]]:
    """The campaigns of these (project, id), each with its version."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    return {(row["project"], row["id"]): (_campaign(row), row["version"]) for row in rows}


async def queued(conn: Connection, keys: Collection[Key]) -> dict[Key, int]:
    """Those of the campaigns that are QUEUED, with their versions."""
    rows = await conn.fetch(QUEUED, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    return {(row["project"], row["id"]): row["version"] for row in rows}


async def made_of(conn: Connection, templates: Collection[Key]) -> dict[Key, int]:
    """How many campaigns that are not over were made of these (project, template); none is left out."""
    if not templates:
        return {}
    rows = await conn.fetch(MADE_OF, [project for project, _ in templates], [template for _, template in templates])
    return {(row["project"], row["template_id"]): row["count"] for row in rows}


async def using(conn: Connection, project: UUID, template_id: UUID) -> list[TemplateCampaign]:
    """The campaigns that were made of the template, newest first."""
    return [msgspec.convert(dict(row), TemplateCampaign) for row in await conn.fetch(USING, project, template_id)]


async def newest(
    conn: Connection, project: UUID, status: CampaignStatus | None, search: str | None, limit: int, offset: int
) -> list[tuple[UUID, Campaign]]:
    """Newest first; `search` is a part of the name, in lower case."""
    rows = await conn.fetch(NEWEST, project, status, search, limit, offset)
    return [(row["id"], _campaign(row)) for row in rows]


async def of_segment(conn: Connection, project: UUID, segment_id: UUID) -> list[CampaignUse]:
    """The newest campaigns that are not over and whose audience names the segment."""
    rows = await conn.fetch(OF_SEGMENT, project, str(segment_id))
    return [CampaignUse(id=row["id"], name=row["name"], status=row["status"]) for row in rows]


async def count(conn: Connection, project: UUID, status: CampaignStatus | None, search: str | None) -> int:
    total: int = await conn.fetchval(COUNT, project, status, search)
    return total


def _key(event: Envelope[Event]) -> Key:
    return event.project, event.message.campaign_id


def _campaign(row: asyncpg.Record) -> Campaign:
    return Campaign(
        draft=Draft(
            name=row["name"],
            description=row["description"],
            content=_decode_content(row["content"]),
            audience=_decode_audience(row["audience"]),
            preheader=row["preheader"],
            markdown=row["markdown"],
            language=row["language"],
            template_id=row["template_id"],
            send_rate=row["send_rate"],
            send_window=_decode_window(row["send_window"]) if row["send_window"] else None,
            unknown_policy=row["unknown_policy"],
            ab_test=_decode_ab_test(row["ab_test"]) if row["ab_test"] else None,
        ),
        status=row["status"],
        scheduled_for=row["scheduled_for"],
        failure=_decode_failure(row["failure"]) if row["failure"] else None,
        transitioned_at=row["transitioned_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        sent_at=row["sent_at"],
        ab_test_progress=_decode_ab_test_progress(row["experiment"]) if row["experiment"] else None,
    )
