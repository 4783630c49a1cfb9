"""The A/B tests of campaigns that are being sent, and the counts of each of their variants.

Events about mails do not say which variant a recipient gets. It follows from the ids (see `libs.kernel.ab_assignment`),
so the order in which events arrive does not matter. Recipients who are not in the test are counted under the key ''.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.ab_assignment import variant_of
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.ab_tests import VariantFigures
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.contacts.contacts import AudiencePageResolved
from services.campaigns.runs.run import COUNTED_EVENTS, MailCounts, increments

NAME = "campaign_experiment"
TABLES = ("campaign_experiment", "campaign_variant")
EVENTS = (CampaignSendingStarted, *COUNTED_EVENTS)
DDL = """
create table if not exists campaign_experiment (
    project uuid not null,
    campaign_id uuid not null,
    keys text[] not null,
    share_percent int not null,
    primary key (project, campaign_id)
);

create table if not exists campaign_variant (
    project uuid not null,
    campaign_id uuid not null,
    key text not null,
    resolved int not null,
    sent int not null,
    failed int not null,
    suppressed int not null,
    cancelled int not null,
    delivered int not null,
    opened int not null,
    clicked int not null,
    complained int not null,
    hard_bounced int not null,
    soft_bounced int not null,
    opens int not null,
    clicks int not null,
    primary key (project, campaign_id, key)
) with (fillfactor = 50);
"""

ADD_TEST = """
insert into campaign_experiment (project, campaign_id, keys, share_percent)
values ($1, $2, $3, $4)
on conflict do nothing
"""
ASSIGNMENTS = """
select project, campaign_id, keys, share_percent from campaign_experiment
where (project, campaign_id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
# All replicas lock rows in the same order, so that they do not deadlock.
ADD = """
insert into campaign_variant as kept (project, campaign_id, key, resolved, sent, failed, suppressed, cancelled,
    delivered, opened, clicked, complained, hard_bounced, soft_bounced, opens, clicks)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[],
    $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[], $16::int[])
on conflict (project, campaign_id, key) do update set
    resolved = kept.resolved + excluded.resolved,
    sent = kept.sent + excluded.sent,
    failed = kept.failed + excluded.failed,
    suppressed = kept.suppressed + excluded.suppressed,
    cancelled = kept.cancelled + excluded.cancelled,
    delivered = kept.delivered + excluded.delivered,
    opened = kept.opened + excluded.opened,
    clicked = kept.clicked + excluded.clicked,
    complained = kept.complained + excluded.complained,
    hard_bounced = kept.hard_bounced + excluded.hard_bounced,
    soft_bounced = kept.soft_bounced + excluded.soft_bounced,
    opens = kept.opens + excluded.opens,
    clicks = kept.clicks + excluded.clicks
"""
COUNTS = """
select key, resolved, sent, failed, suppressed, cancelled, delivered, opened, clicked, complained, hard_bounced,
    soft_bounced, opens, clicks
from campaign_variant where project = $1 and campaign_id = $2
"""
# Tests in phase TESTING whose audience is resolved. `sent` means that every mail of the test has its outcome.
ENDED = """
select test.project, test.campaign_id,
    not bool_and(coalesce(tried.resolved, 0) > 0) as too_few,
    coalesce(sum(tried.sent + tried.failed + tried.suppressed + tried.cancelled), 0)
        >= coalesce(sum(tried.resolved), 0) as sent
from unnest($1::uuid[], $2::uuid[]) as touched (project, campaign_id)
join campaign_experiment as test using (project, campaign_id)
join campaign_run as run using (project, campaign_id)
join campaign on campaign.project = test.project and campaign.id = test.campaign_id
cross join unnest(test.keys) as variant (key)
left join campaign_variant as tried
    on tried.project = test.project and tried.campaign_id = test.campaign_id and tried.key = variant.key
where run.total is not null and run.resolved >= run.total and campaign.status in ('QUEUED', 'SENDING', 'PAUSED')
    and campaign.experiment ->> 'decide_at' is null and campaign.experiment ->> 'winner' is null
group by test.project, test.campaign_id
"""
REST = ""

Key = tuple[UUID, UUID]


class Assignment(msgspec.Struct, frozen=True):
    """What decides which variant a recipient gets."""

    keys: list[str]
    share_percent: int


class VariantCounts(MailCounts, frozen=True, kw_only=True):
    """What became of the mails of one variant, or of the rest of the audience."""


class EndedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that leaves the phase TESTING.

    `too_few` means that a variant has no recipients, `sent` that all mails of the test have their outcome.
    """

    project: UUID
    campaign_id: UUID
    too_few: bool
    sent: bool


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    for event in events:
        if isinstance(event.message, CampaignSendingStarted) and (test := event.message.ab_test):
            await conn.execute(ADD_TEST, event.project, event.message.campaign_id, test.keys, test.share_percent)
    ours = [e for e in events if e.message.campaign_id is not None]
    assignments = await _assignments(conn, {(e.project, e.message.campaign_id) for e in ours})
    counted: dict[tuple[UUID, UUID, str], Counter[str]] = {}
    for event in ours:
        if assignment := assignments.get((event.project, event.message.campaign_id)):
            for key, added in _increments_by_variant(event.message, assignment):
                counted.setdefault((event.project, event.message.campaign_id, key), Counter()).update(added)
    if counted:
        keys = sorted(counted)
        ids = [[key[part] for key in keys] for part in range(3)]
        await conn.execute(
            ADD, *ids, *([counted[key][name] for key in keys] for name in VariantCounts.__struct_fields__)
        )


async def counts_by_variant(conn: Connection, project: UUID, campaign_id: UUID) -> dict[str, VariantCounts]:
    """Return the counts by the keys of the variants, and those of the rest under `REST`. All-zero ones are left out."""
    rows = [dict(row) for row in await conn.fetch(COUNTS, project, campaign_id)]
    return {row.pop("key"): msgspec.convert(row, VariantCounts) for row in rows}


def figures(keys: Sequence[str], counted: Mapping[str, VariantCounts]) -> tuple[VariantFigures, ...]:
    """Return the figures that decide on the winner, in the order of the variants."""
    return tuple(_figures(key, counted.get(key, VariantCounts())) for key in keys)


async def load_figures(
    conn: Connection, project: UUID, campaign_id: UUID, keys: Sequence[str]
) -> tuple[VariantFigures, ...]:
    """Load the figures that decide on the winner among these variants, in their order."""
    return figures(keys, await counts_by_variant(conn, project, campaign_id))


async def ended(conn: Connection, campaigns: Collection[Key]) -> list[EndedTest]:
    """Return those tests of the (project, campaign) that leave the phase TESTING."""
    rows = await conn.fetch(ENDED, *_columns(campaigns))
    return [test for row in rows if (test := msgspec.convert(dict(row), EndedTest)).too_few or test.sent]


def _figures(key: str, counted: VariantCounts) -> VariantFigures:
    return VariantFigures(
        key=key,
        recipients=counted.resolved,
        sent=counted.sent,
        delivered=counted.delivered,
        opened=counted.opened,
        clicked=counted.clicked,
    )


async def _assignments(conn: Connection, campaigns: Collection[Key]) -> dict[Key, Assignment]:
    rows = await conn.fetch(ASSIGNMENTS, *_columns(campaigns)) if campaigns else []
    return {(row["project"], row["campaign_id"]): Assignment(row["keys"], row["share_percent"]) for row in rows}


def _increments_by_variant(event: Any, assignment: Assignment) -> list[tuple[str, Mapping[str, int]]]:
    """Return what the event adds to the counts of which variant."""
    if isinstance(event, CampaignSendingStarted):
        return []
    if isinstance(event, AudiencePageResolved):
        members = Counter(_variant(event.campaign_id, member.contact_id, assignment) for member in event.members)
        return [(key, {"resolved": count}) for key, count in members.items()]
    return [(_variant(event.campaign_id, event.contact_id, assignment), increments(event))]


def _variant(campaign_id: UUID, contact_id: UUID, assignment: Assignment) -> str:
    return variant_of(campaign_id, contact_id, assignment.keys, assignment.share_percent) or REST


def _columns(keys: Collection[Key]) -> tuple[list[UUID], list[UUID]]:
    return [project for project, _ in keys], [campaign_id for _, campaign_id in keys]
