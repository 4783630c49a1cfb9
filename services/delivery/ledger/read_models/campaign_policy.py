"""Campaigns whose mails with an unknown outcome are never resent. Other campaigns have no row."""

from collections.abc import Sequence

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CampaignSendingStarted

NAME = "campaign_policy"
TABLES = ("campaign_policy",)
EVENTS = (CampaignSendingStarted,)
DDL = """
create table if not exists campaign_policy (
    project uuid not null,
    campaign_id uuid not null,
    primary key (project, campaign_id)
);
"""

KEEP = """
insert into campaign_policy (project, campaign_id) select * from unnest($1::uuid[], $2::uuid[]) on conflict do nothing
"""


async def project(conn: Connection, events: Sequence[Envelope[CampaignSendingStarted]]) -> None:
    never = [event for event in events if event.message.unknown_policy == "NEVER"]
    if never:
        await conn.execute(KEEP, [e.project for e in never], [e.message.campaign_id for e in never])
