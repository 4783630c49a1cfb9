"""The send schedules of campaigns. A campaign with neither a rate nor a window has no row."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CampaignSendingStarted, SendWindow
from services.delivery.scheduling.send_schedule import SendSchedule

NAME = "campaign_pace"
TABLES = ("campaign_pace",)
EVENTS = (CampaignSendingStarted,)
DDL = """
create table if not exists campaign_pace (
    project uuid not null,
    campaign_id uuid not null,
    send_rate int,
    send_window jsonb,
    primary key (project, campaign_id)
);
"""

# A campaign starts only once.
KEEP = """
insert into campaign_pace (project, campaign_id, send_rate, send_window)
select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::jsonb[])
on conflict do nothing
"""
FIND = """
select project, campaign_id, send_rate, send_window from campaign_pace
where (project, campaign_id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""

Key = tuple[UUID, UUID]

_decode = msgspec.json.Decoder(SendWindow).decode


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    scheduled = [e for e in events if e.message.send_rate or e.message.send_window]
    if scheduled:
        await conn.execute(
            KEEP,
            [e.project for e in scheduled],
            [e.message.campaign_id for e in scheduled],
            [e.message.send_rate for e in scheduled],
            [encode(window).decode() if (window := e.message.send_window) else None for e in scheduled],
        )


async def find(conn: Connection, campaigns: Collection[Key]) -> dict[Key, SendSchedule]:
    """Return the schedules of those campaigns, given as (project, id), that have one."""
    if not campaigns:
        return {}
    rows = await conn.fetch(FIND, [project for project, _ in campaigns], [campaign for _, campaign in campaigns])
    return {
        (row["project"], row["campaign_id"]): SendSchedule(
            row["send_rate"], _decode(row["send_window"]) if row["send_window"] else None
        )
        for row in rows
    }
