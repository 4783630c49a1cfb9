"""The reputation of each project. The figures that it is judged by are summed from the hourly counts when loaded."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.reputation import (
    ReputationCounts,
    ReputationEvent,
    ReputationWarned,
    SendingPaused,
    SendingResumed,
)
from services.feedback.reputation.reputation import (
    INITIAL,
    Figures,
    Reputation,
    evolve,
)

NAME = "reputation"
TABLES = ("reputation",)
EVENTS = (ReputationWarned, SendingPaused, SendingResumed)

DDL = """
create table if not exists reputation (
    project uuid primary key,
    version int not null,
    standing text not null,
    reason text,
    warned_at timestamptz,
    paused_at timestamptz,
    resumed_at timestamptz,
    forgiven_sent int not null,
    forgiven_bounced int not null,
    forgiven_complained int not null
)
"""

STATE = "select standing, reason, warned_at, paused_at, resumed_at from reputation where project = $1"
# The forgiven counts stay as they are unless the event has new ones.
SAVE = """
insert into reputation as r (project, version, standing, reason, warned_at, paused_at, resumed_at,
    forgiven_sent, forgiven_bounced, forgiven_complained)
values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, 0), coalesce($9, 0), coalesce($10, 0))
on conflict (project) do update set
    version = excluded.version,
    standing = excluded.standing,
    reason = excluded.reason,
    warned_at = excluded.warned_at,
    paused_at = excluded.paused_at,
    resumed_at = excluded.resumed_at,
    forgiven_sent = coalesce($8, r.forgiven_sent),
    forgiven_bounced = coalesce($9, r.forgiven_bounced),
    forgiven_complained = coalesce($10, r.forgiven_complained)
"""

# What is forgiven enters as negative counts in the hour in which sending was resumed.
LOAD = """
with r as (
    select wanted.project, reputation.version, standing, reason, warned_at, paused_at, resumed_at,
        date_trunc('hour', resumed_at, 'UTC') as resumed, forgiven_sent, forgiven_bounced, forgiven_complained
    from unnest($1::uuid[]) as wanted (project) left join reputation using (project)
)
select r.project, version, standing, reason, warned_at, paused_at, resumed_at,
    (select min(hour) from tally where tally.project = r.project) as since,
    coalesce(sum(sent) filter (where hour >= $2), 0)::int as hour_sent,
    coalesce(sum(bounced) filter (where hour >= $2), 0)::int as hour_bounced,
    coalesce(sum(complained) filter (where hour >= $2), 0)::int as hour_complained,
    coalesce(sum(sent) filter (where hour >= $2 - interval '24 hours'), 0)::int as day_sent,
    coalesce(sum(bounced) filter (where hour >= $2 - interval '24 hours'), 0)::int as day_bounced,
    coalesce(sum(complained) filter (where hour >= $2 - interval '24 hours'), 0)::int as day_complained,
    coalesce(sum(sent) filter (where hour >= $2 - interval '7 days'), 0)::int as week_sent,
    coalesce(sum(bounced) filter (where hour >= $2 - interval '7 days'), 0)::int as week_bounced,
    coalesce(sum(complained) filter (where hour >= $2 - interval '7 days'), 0)::int as week_complained,
    coalesce(sum(sent), 0)::int as ever_sent,
    coalesce(sum(bounced), 0)::int as ever_bounced,
    coalesce(sum(complained), 0)::int as ever_complained
from r left join lateral (
    select hour, sent, bounced, complained from tally
    where tally.project = r.project and hour >= coalesce(r.resumed, '-infinity')
    union all
    select r.resumed, -forgiven_sent, -forgiven_bounced, -forgiven_complained where r.resumed is not null
) counted on true
group by r.project, version, standing, reason, warned_at, paused_at, resumed_at
"""


async def project(conn: Connection, events: Sequence[Envelope[ReputationEvent]]) -> None:
    """Fold the events one by one, since they are rare."""
    for event in events:
        row = await conn.fetchrow(STATE, event.project)
        state = evolve(Reputation(**row) if row else INITIAL, event.message, event.at)
        forgiven = event.message.forgiven if isinstance(event.message, SendingResumed) else None
        await conn.execute(
            SAVE,
            event.project,
            event.version,
            state.standing,
            state.reason,
            state.warned_at,
            state.paused_at,
            state.resumed_at,
            *((forgiven.sent, forgiven.bounced, forgiven.complained) if forgiven else (None, None, None)),
        )


async def load(conn: Connection, projects: Collection[UUID], now: datetime) -> dict[UUID, tuple[Reputation, int]]:
    """Return the reputation of each project at this time, with the version of its stream (0 if there is none)."""
    rows = await conn.fetch(LOAD, list(projects), now.replace(minute=0, second=0, microsecond=0))
    return {row["project"]: (_reputation(row), row["version"] or 0) for row in rows}


def _reputation(row: asyncpg.Record) -> Reputation:
    return Reputation(
        figures=Figures(
            since=row["since"],
            hour=_counts(row, "hour"),
            day=_counts(row, "day"),
            week=_counts(row, "week"),
            ever=_counts(row, "ever"),
        ),
        standing=row["standing"] or "HEALTHY",
        reason=row["reason"],
        warned_at=row["warned_at"],
        paused_at=row["paused_at"],
        resumed_at=row["resumed_at"],
    )


def _counts(row: asyncpg.Record, window: str) -> ReputationCounts:
    sent, bounced, complained = (row[f"{window}_{name}"] for name in ("sent", "bounced", "complained"))
    return ReputationCounts(sent=sent, bounced=bounced, complained=complained)
