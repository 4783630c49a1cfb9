"""Campaigns with an A/B test: whether it is decided what those get who are not in it.

Facts about a campaign may come in any order: once there is a winner, there is one.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CampaignSendingStarted, CampaignWinnerDecided
from libs.schemas.delivery.content import Kind

NAME = "campaign_experiment"
TABLES = ("campaign_experiment",)
EVENTS = (CampaignSendingStarted, CampaignWinnerDecided)
DDL = """
create table if not exists campaign_experiment (
    project uuid not null,
    campaign_id uuid not null,
    kind text not null,
    decided boolean not null,
    primary key (project, campaign_id)
);
"""

KEEP = """
insert into campaign_experiment as kept (project, campaign_id, kind, decided)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[])
on conflict (project, campaign_id) do update set decided = true
where excluded.decided and not kept.decided
"""
# A decision waits for those who look: what they then queue is in time to be called for (see `experiment`).
LOOK = """
select project, campaign_id, kind, decided from campaign_experiment
where (project, campaign_id) in (select * from unnest($1::uuid[], $2::uuid[]))
order by project, campaign_id
for share
"""

Key = tuple[UUID, UUID]


class Test(msgspec.Struct, frozen=True):
    """`kind` is of all that the campaign sends."""

    kind: Kind
    decided: bool


def variant_id(campaign_id: UUID, key: str) -> UUID:
    """The id under which a variant's content is kept."""
    return uuid5(campaign_id, key)


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    told = {_row(e) for e in events if isinstance(e.message, CampaignWinnerDecided) or e.message.ab_test}
    rows = [row for row in sorted(told) if row[3] or (*row[:3], True) not in told]
    if rows:
        await conn.execute(KEEP, *([row[part] for row in rows] for part in range(4)))


async def look(conn: Connection, campaigns: Collection[Key]) -> dict[UUID, Test]:
    """Those of the (project, campaign) that have a test, by their ids. No decision comes in between until this
    transaction is over."""
    rows = await conn.fetch(LOOK, [project for project, _ in campaigns], [campaign for _, campaign in campaigns])
    return {row["campaign_id"]: Test(row["kind"], row["decided"]) for row in rows}


def _row(event: Envelope[CampaignSendingStarted | CampaignWinnerDecided]) -> tuple[UUID, UUID, Kind, bool]:
    message = event.message
    return event.project, message.campaign_id, message.content.kind, isinstance(message, CampaignWinnerDecided)
