"""Contacts whose mails bounced for now: how many in a row. Whoever never had such a bounce has no row."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailDelivered,
    FeedbackEvent,
    MailboxFailing,
    MailboxRecovered,
)
from services.feedback.reputation.mailbox import Streak

NAME = "bounce_streak"
TABLES = ("bounce_streak",)
EVENTS = (EmailBounced, EmailDelivered, MailboxFailing, MailboxRecovered)
DDL = """
create table if not exists bounce_streak (
    project uuid not null,
    contact_id uuid not null,
    bounces timestamptz[] not null,
    delivered_at timestamptz,
    failing_since timestamptz,
    version int not null default 0,
    primary key (project, contact_id)
)
"""

BOUNCED = """
insert into bounce_streak as streak (project, contact_id, bounces) values ($1, $2, array[$3::timestamptz])
on conflict (project, contact_id) do update set bounces = streak.bounces || excluded.bounces
where streak.delivered_at is null or excluded.bounces[1] > streak.delivered_at
"""
# In the order of their keys, so that two replicas cannot wait for each other.
DELIVERED = """
with news as materialized (
    select project, contact_id, max(at) as at
    from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as delivered (project, contact_id, at)
    group by project, contact_id
), locked as materialized (
    select project, contact_id, at from bounce_streak join news using (project, contact_id)
    where delivered_at is null or at > delivered_at
    order by project, contact_id for update of bounce_streak
)
update bounce_streak as streak set
    delivered_at = locked.at,
    bounces = array(select bounce from unnest(streak.bounces) as bounce where bounce > locked.at)
from locked where streak.project = locked.project and streak.contact_id = locked.contact_id
"""
# From here on bounces count anew: whoever releases the address gives it another five.
FAILING = """
update bounce_streak set failing_since = $3, bounces = '{}', version = $4 where project = $1 and contact_id = $2
"""
RECOVERED = "update bounce_streak set failing_since = null, version = $3 where project = $1 and contact_id = $2"
LOAD = """
select project, contact_id, bounces, delivered_at, failing_since, version
from unnest($1::uuid[], $2::uuid[]) as wanted (project, contact_id)
join bounce_streak using (project, contact_id)
"""

Key = tuple[UUID, UUID]
"""Project and contact."""


async def project(conn: Connection, events: Sequence[Envelope[FeedbackEvent]]) -> None:
    """Deliveries are many and mostly of those who have no row; the others are few, and folded one by one."""
    for delivered, run in groupby(events, key=lambda event: isinstance(event.message, EmailDelivered)):
        if delivered:
            told = list(run)
            await conn.execute(
                DELIVERED, [e.project for e in told], [e.message.contact_id for e in told], [e.message.at for e in told]
            )
            continue
        for event in run:
            await _fold(conn, event)


async def load(conn: Connection, keys: Iterable[Key]) -> Mapping[Key, tuple[Streak, int]]:
    """Those of them that have a row, with the version of their stream."""
    projects, contacts = zip(*keys, strict=True)
    rows = await conn.fetch(LOAD, projects, contacts)
    return {
        (row["project"], row["contact_id"]): (
            Streak(
                bounces=tuple(row["bounces"]),
                delivered_at=row["delivered_at"],
                failing_since=row["failing_since"],
            ),
            row["version"],
        )
        for row in rows
    }


async def _fold(conn: Connection, event: Envelope[FeedbackEvent]) -> None:
    at: datetime
    match event.message:
        case EmailBounced(bounce_type="Transient", first=True, contact_id=contact_id, at=at):
            await conn.execute(BOUNCED, event.project, contact_id, at)
        case MailboxFailing(contact_id=contact_id, since=since):
            await conn.execute(FAILING, event.project, contact_id, since, event.version)
        case MailboxRecovered(contact_id=contact_id):
            await conn.execute(RECOVERED, event.project, contact_id, event.version)
