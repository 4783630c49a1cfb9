"""The current state of each campaign, evolved by the decider."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import structs

from libs.runtime.eventstore.aggregate import evolve_states
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import (
    CampaignStatus,
    CampaignUse,
)
from libs.schemas.campaigns.templates import TemplateCampaign
from services.campaigns.campaigns import campaign as decider
from services.campaigns.campaigns.campaign import TRANSITIONS, Event
from services.campaigns.campaigns.draft import Draft
from services.campaigns.campaigns.state import Campaign

NAME = "campaign"
TABLES = ("campaign",)
EVENTS = get_args(Event)
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
    add column if not exists experiment jsonb;      -- the progress of the A/B test, once the campaign is sent
"""

DRAFT_COLUMNS = tuple(name for name in Draft.__struct_fields__ if name != "campaign_id")
STATE_COLUMNS = (
    "status",
    "scheduled_for",
    "failure",
    "transitioned_at",
    "created_at",
    "updated_at",
    "sent_at",
    "experiment",
)
COLUMNS = ("project", "id", "version", *DRAFT_COLUMNS, *STATE_COLUMNS)
# A draft without an audience has JSON null in the column, which is not nullable.
SAVE = f"""
insert into campaign ({", ".join(COLUMNS)})
select {", ".join("coalesce(audience, 'null')" if name == "audience" else name for name in COLUMNS)}
from jsonb_populate_recordset(null::campaign, $1::jsonb)
on conflict (project, id) do update set {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}
"""  # noqa: S608 - names of columns
REMOVE = "delete from campaign where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
LOAD = """
select project, id, version, to_jsonb(campaign) as columns from campaign
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
select to_jsonb(campaign) as columns from campaign
where project = $1 and ($2::text is null or status = $2) and ($3::text is null or strpos(lower(name), $3) > 0)
order by created_at desc, id desc limit $4 offset $5
"""
COUNT = """
select count(*) from campaign
where project = $1 and ($2::text is null or status = $2) and ($3::text is null or strpos(lower(name), $3) > 0)
"""

# An audience refers to a segment by its id or in a filter of its condition.
OF_SEGMENT = """
select id, name, status from campaign
where project = $1 and status not in ('SENT', 'FAILED', 'CANCELLED')
    and (audience ->> 'segmentId' = $2 or audience ->> 'listId' = $2
        or strpos(lower(audience::text), '"segment.' || $2 || '"') > 0)
order by created_at desc, id desc
limit 100
"""

Key = tuple[UUID, UUID]
S = TypeVar("S", bound=msgspec.Struct)


async def project(conn: Connection, events: Sequence[Envelope[Event]]) -> None:
    first = {_key(event): event for event in reversed(events)}
    last = {_key(event): event for event in events}
    transitions = {_key(event): event for event in events if isinstance(event.message, TRANSITIONS)}
    stored = {key: state for key, (state, _) in (await load(conn, last.keys())).items()}
    states = evolve_states(decider, stored, events, _key)
    kept = {key: state for key, state in states.items() if isinstance(state, Campaign)}
    deleted = states.keys() - kept.keys()
    if deleted:
        await conn.execute(REMOVE, [project for project, _ in deleted], [campaign_id for _, campaign_id in deleted])
    rows = [
        structs.asdict(state.draft)
        | {
            "project": key[0],
            "id": key[1],
            "version": last[key].version,
            "status": state.status,
            "scheduled_for": state.scheduled_for,
            "failure": state.failure,
            "transitioned_at": transitions[key].at if key in transitions else state.transitioned_at,
            "created_at": stored[key].created_at if key in stored else first[key].at,
            "updated_at": last[key].at,
            "sent_at": last[key].at if state.status == "SENT" else state.sent_at,
            "experiment": state.ab_test_progress,
        }
        for key, state in kept.items()
    ]
    await conn.execute(SAVE, encode(rows).decode())


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[Campaign, int]]:
    """Return the campaigns of these (project, id), each with its version."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    return {(row["project"], row["id"]): (_campaign(row["columns"]), row["version"]) for row in rows}


async def queued(conn: Connection, keys: Collection[Key]) -> dict[Key, int]:
    """Return the versions of those campaigns that are QUEUED."""
    rows = await conn.fetch(QUEUED, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    return {(row["project"], row["id"]): row["version"] for row in rows}


async def made_of(conn: Connection, templates: Collection[Key]) -> dict[Key, int]:
    """Return how many unfinished campaigns were made from each (project, template), where there are any."""
    if not templates:
        return {}
    rows = await conn.fetch(MADE_OF, [project for project, _ in templates], [template for _, template in templates])
    return {(row["project"], row["template_id"]): row["count"] for row in rows}


async def using(conn: Connection, project: UUID, template_id: UUID) -> list[TemplateCampaign]:
    """Return the campaigns that were made from the template, newest first."""
    return [msgspec.convert(dict(row), TemplateCampaign) for row in await conn.fetch(USING, project, template_id)]


async def newest(
    conn: Connection, project: UUID, status: CampaignStatus | None, search: str | None, limit: int, offset: int
) -> list[Campaign]:
    """Return a page of campaigns, newest first. `search` is a part of the name in lower case."""
    rows = await conn.fetch(NEWEST, project, status, search, limit, offset)
    return [_campaign(row["columns"]) for row in rows]


async def of_segment(conn: Connection, project: UUID, segment_id: UUID) -> list[CampaignUse]:
    """Return the newest unfinished campaigns whose audience refers to the segment."""
    rows = await conn.fetch(OF_SEGMENT, project, str(segment_id))
    return [CampaignUse(id=row["id"], name=row["name"], status=row["status"]) for row in rows]


async def count(conn: Connection, project: UUID, status: CampaignStatus | None, search: str | None) -> int:
    total: int = await conn.fetchval(COUNT, project, status, search)
    return total


def _key(event: Envelope[Event]) -> Key:
    return event.project, event.message.campaign_id


def _campaign(row: str) -> Campaign:
    """Return the campaign of a row, given as JSON."""
    columns = msgspec.json.decode(row)
    draft = _from_columns(columns | {"campaign_id": columns["id"]}, Draft)
    return _from_columns(columns | {"draft": draft, "ab_test_progress": columns["experiment"]}, Campaign)


def _from_columns(columns: Mapping[str, Any], kind: type[S]) -> S:
    """Return the struct whose fields are among these columns."""
    fields = {field.encode_name: columns[field.name] for field in structs.fields(kind) if field.name in columns}
    return msgspec.convert(fields, kind)
