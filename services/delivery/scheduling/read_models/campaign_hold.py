"""Campaigns whose mails must not be sent: paused for now, or cancelled for good.

Events about a campaign may arrive in any order, so the one with the highest version counts.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed

Hold = Literal["none", "paused", "cancelled"]

NAME = "campaign_hold"
TABLES = ("campaign_hold",)
EVENTS = (CampaignPaused, CampaignResumed, CampaignCancelled)
DDL = """
create table if not exists campaign_hold (
    project uuid not null,
    campaign_id uuid not null,
    hold text not null,
    version int not null,
    primary key (project, campaign_id)
);
"""

KEEP = """
insert into campaign_hold (project, campaign_id, hold, version)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[])
on conflict (project, campaign_id) do update set hold = excluded.hold, version = excluded.version
where excluded.version > campaign_hold.version
"""
FIND = """
select project, campaign_id, hold from campaign_hold
where hold <> 'none' and (project, campaign_id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""

HOLDS: dict[type, Hold] = {CampaignPaused: "paused", CampaignResumed: "none", CampaignCancelled: "cancelled"}

Key = tuple[UUID, UUID]


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    latest = {(e.project, e.message.campaign_id): e for e in sorted(events, key=lambda e: e.version)}
    await conn.execute(
        KEEP,
        [project for project, _ in latest],
        [campaign_id for _, campaign_id in latest],
        [HOLDS[type(e.message)] for e in latest.values()],
        [e.version for e in latest.values()],
    )


async def find(conn: Connection, campaigns: Collection[Key]) -> dict[Key, Hold]:
    """Return the holds of those campaigns, given as (project, id), that are held."""
    if not campaigns:
        return {}
    rows = await conn.fetch(FIND, [project for project, _ in campaigns], [campaign for _, campaign in campaigns])
    return {(row["project"], row["campaign_id"]): row["hold"] for row in rows}
