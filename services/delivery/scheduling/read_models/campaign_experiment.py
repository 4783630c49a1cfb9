"""Campaigns with an A/B test, and whether its winner is decided.

Events about a campaign may arrive in any order: a decision is final, so it is never undone.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

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
# A decision waits for transactions that hold this lock, so the mails that they queue are still released by it.
LOCK = """
select project, campaign_id, kind, decided from campaign_experiment
where (project, campaign_id) in (select * from unnest($1::uuid[], $2::uuid[]))
order by project, campaign_id
for share
"""

Key = tuple[UUID, UUID]


class AbTest(msgspec.Struct, frozen=True):
    """`kind` is the kind of all mails of the campaign."""

    kind: Kind
    decided: bool


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    rows = {_row(e) for e in events if isinstance(e.message, CampaignWinnerDecided) or e.message.ab_test}
    latest = [row for row in sorted(rows) if row[3] or (*row[:3], True) not in rows]
    if latest:
        await conn.execute(KEEP, *([row[part] for row in latest] for part in range(4)))


async def lock(conn: Connection, campaigns: Collection[Key]) -> dict[UUID, AbTest]:
    """Return the campaigns, given as (project, id), that have a test; none is decided until this transaction ends."""
    rows = await conn.fetch(LOCK, [project for project, _ in campaigns], [campaign for _, campaign in campaigns])
    return {row["campaign_id"]: AbTest(row["kind"], row["decided"]) for row in rows}


def _row(event: Envelope[CampaignSendingStarted | CampaignWinnerDecided]) -> tuple[UUID, UUID, Kind, bool]:
    message = event.message
    return event.project, message.campaign_id, message.content.kind, isinstance(message, CampaignWinnerDecided)
