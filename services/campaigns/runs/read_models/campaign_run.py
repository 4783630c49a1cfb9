"""The counts of each campaign's recipients and mails.

Folded from the events of contacts, delivery and feedback, which arrive in any order: counts only grow, and the first
event creates the row.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import AudienceResolved
from libs.schemas.delivery.emails import (
    EmailSent,
    EmailSuppressed,
)
from libs.schemas.feedback.mails import (
    EmailBounced,
)
from services.campaigns.runs.run import COUNTED_EVENTS, MailCounts, Run, increments

NAME = "campaign_run"
TABLES = ("campaign_run", "campaign_bounce", "campaign_suppressed")
EVENTS = (*COUNTED_EVENTS, AudienceResolved)
# Half of each page is left free, so that updates stay on the page and touch no index.
DDL = """
create table if not exists campaign_run (
    project uuid not null,
    campaign_id uuid not null,
    total int,                              -- null until the whole audience is resolved
    resolved int not null,
    sent int not null,
    failed int not null,
    suppressed int not null,
    cancelled int not null,
    delivered int not null,
    opened int not null,
    clicked int not null,
    bounced int not null,
    complained int not null,
    primary key (project, campaign_id)
) with (fillfactor = 50);

alter table campaign_run
    add column if not exists hard_bounced int not null default 0,
    add column if not exists soft_bounced int not null default 0,
    add column if not exists opens int not null default 0,      -- counts every open, not every mail
    add column if not exists clicks int not null default 0,
    add column if not exists first_sent_at timestamptz,
    add column if not exists last_sent_at timestamptz;

create table if not exists campaign_suppressed (
    project uuid not null,
    campaign_id uuid not null,
    reason text not null,
    mails int not null,
    primary key (project, campaign_id, reason)
);

-- A mail may bounce softly and then hard. It counts once.
create table if not exists campaign_bounce (
    project uuid not null,
    email_id uuid not null,
    primary key (project, email_id)
);
"""

# All replicas lock rows in the same order, so that they do not deadlock.
ADD = """
insert into campaign_run as run (project, campaign_id, total, resolved, sent, failed, suppressed, cancelled,
                                 delivered, opened, clicked, complained, hard_bounced, soft_bounced, opens, clicks,
                                 bounced, first_sent_at, last_sent_at)
select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[],
                     $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[], $16::int[],
                     $17::int[], $18::timestamptz[], $19::timestamptz[])
    as new (project, campaign_id)
order by project, campaign_id
on conflict (project, campaign_id) do update
    set total = coalesce(excluded.total, run.total),
        resolved = run.resolved + excluded.resolved,
        sent = run.sent + excluded.sent,
        failed = run.failed + excluded.failed,
        suppressed = run.suppressed + excluded.suppressed,
        cancelled = run.cancelled + excluded.cancelled,
        delivered = run.delivered + excluded.delivered,
        opened = run.opened + excluded.opened,
        clicked = run.clicked + excluded.clicked,
        complained = run.complained + excluded.complained,
        hard_bounced = run.hard_bounced + excluded.hard_bounced,
        soft_bounced = run.soft_bounced + excluded.soft_bounced,
        opens = run.opens + excluded.opens,
        clicks = run.clicks + excluded.clicks,
        bounced = run.bounced + excluded.bounced,
        first_sent_at = least(run.first_sent_at, excluded.first_sent_at),
        last_sent_at = greatest(run.last_sent_at, excluded.last_sent_at)
"""
ADD_SUPPRESSED = """
insert into campaign_suppressed as kept (project, campaign_id, reason, mails)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[])
on conflict (project, campaign_id, reason) do update set mails = kept.mails + excluded.mails
"""
SUPPRESSED = "select reason, mails from campaign_suppressed where project = $1 and campaign_id = $2 order by reason"
MARK_BOUNCED = """
insert into campaign_bounce (project, email_id)
select project, email_id from unnest($1::uuid[], $2::uuid[]) as bounced (project, email_id)
order by project, email_id
on conflict do nothing
returning project, email_id
"""
LOAD = """
select project, campaign_id, total, resolved, sent, failed, suppressed, cancelled, delivered, opened, clicked,
       complained, hard_bounced, soft_bounced, opens, clicks, bounced, first_sent_at, last_sent_at
from campaign_run where (project, campaign_id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
FINISHED = """
select run.project, run.campaign_id, run.total, campaign.version
from unnest($1::uuid[], $2::uuid[]) as touched (project, campaign_id)
join campaign_run as run using (project, campaign_id)
join campaign on campaign.project = run.project and campaign.id = run.campaign_id
where campaign.status in ('QUEUED', 'SENDING', 'PAUSED')
    and run.sent + run.failed + run.suppressed + run.cancelled >= run.total
"""

COUNTS = (*MailCounts.__struct_fields__, "bounced")

Key = tuple[UUID, UUID]


class FinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign whose mails all have their outcome, with the version of its stream."""

    project: UUID
    campaign_id: UUID
    total: int
    version: int


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    ours = [e for e in events if e.message.campaign_id is not None]
    bounced = await _newly_bounced(conn, ours)
    counted: dict[Key, Counter[str]] = {}
    totals: dict[Key, int] = {}
    for e in ours:
        key = (e.project, e.message.campaign_id)
        counted.setdefault(key, Counter()).update(increments(e.message))
        if isinstance(e.message, AudienceResolved):
            totals[key] = e.message.total
    for key in bounced:
        counted[key]["bounced"] += 1
    if counted:
        await _add(conn, counted, totals, _sent_at(ours))
    suppressed = Counter(
        (e.project, e.message.campaign_id, e.message.reason) for e in ours if isinstance(e.message, EmailSuppressed)
    )
    if suppressed:
        columns = [[key[part] for key in sorted(suppressed)] for part in range(3)]
        await conn.execute(ADD_SUPPRESSED, *columns, [suppressed[key] for key in sorted(suppressed)])


async def suppressed_by_reason(conn: Connection, project: UUID, campaign_id: UUID) -> dict[str, int]:
    return {row["reason"]: row["mails"] for row in await conn.fetch(SUPPRESSED, project, campaign_id)}


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, Run]:
    """Return the runs of these (project, campaign). The counts of one that has not begun are 0."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    begun = {(row["project"], row["campaign_id"]): msgspec.convert(dict(row), Run) for row in rows}
    return {key: begun.get(key, Run()) for key in keys}


async def get(conn: Connection, project: UUID, campaign_id: UUID) -> Run:
    runs = await load(conn, [(project, campaign_id)])
    return runs[project, campaign_id]


async def finished(conn: Connection, keys: Collection[Key]) -> list[FinishedRun]:
    """Return those campaigns whose mails all have their outcome, but which are not SENT yet."""
    rows = await conn.fetch(FINISHED, [project for project, _ in keys], [campaign_id for _, campaign_id in keys])
    return [msgspec.convert(dict(row), FinishedRun) for row in rows]


async def _newly_bounced(conn: Connection, events: Sequence[Envelope[Any]]) -> list[Key]:
    """Return the campaign of each mail that bounced for the first time."""
    mails: dict[Key, UUID] = {
        (e.project, e.message.email_id): e.message.campaign_id
        for e in events
        if type(e.message) is EmailBounced and e.message.first and e.message.campaign_id
    }
    if not mails:
        return []
    rows = await conn.fetch(MARK_BOUNCED, [project for project, _ in mails], [email_id for _, email_id in mails])
    return [(row["project"], mails[row["project"], row["email_id"]]) for row in rows]


def _sent_at(events: Sequence[Envelope[Any]]) -> dict[Key, list[datetime]]:
    """Return the times at which the mails of each campaign were sent."""
    times: dict[Key, list[datetime]] = {}
    for e in events:
        if isinstance(e.message, EmailSent) and e.message.campaign_id:
            times.setdefault((e.project, e.message.campaign_id), []).append(e.at)
    return times


async def _add(
    conn: Connection, counted: dict[Key, Counter[str]], totals: dict[Key, int], times: dict[Key, list[datetime]]
) -> None:
    await conn.execute(
        ADD,
        [project for project, _ in counted],
        [campaign_id for _, campaign_id in counted],
        [totals.get(key) for key in counted],
        *([counts[name] for counts in counted.values()] for name in COUNTS),
        [min(times[key]) if key in times else None for key in counted],
        [max(times[key]) if key in times else None for key in counted],
    )
