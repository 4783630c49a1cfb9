"""How fast campaigns may be sent, and at which hours of the day. One that has neither is not here."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CampaignSendingStarted, SendWindow
from services.delivery.scheduling.send_schedule import Pace

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

# A campaign is started once.
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
    paced = [e for e in events if e.message.send_rate or e.message.send_window]
    if paced:
        await conn.execute(
            KEEP,
            [e.project for e in paced],
            [e.message.campaign_id for e in paced],
            [e.message.send_rate for e in paced],
            [encode(window).decode() if (window := e.message.send_window) else None for e in paced],
        )


async def find(conn: Connection, campaigns: Collection[Key]) -> dict[Key, Pace]:
    """Those of the (project, campaign) that have a rate or a window."""
    if not campaigns:
        return {}
    rows = await conn.fetch(FIND, [project for project, _ in campaigns], [campaign for _, campaign in campaigns])
    return {
        (row["project"], row["campaign_id"]): Pace(
            row["send_rate"], _decode(row["send_window"]) if row["send_window"] else None
        )
        for row in rows
    }
