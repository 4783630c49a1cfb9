"""Bounce streaks: the transient bounces in a row of each contact. Contacts that never had one have no row."""

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
from services.feedback.reputation.mailbox import BounceStreak

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
# Rows are locked in the order of their keys, so that two replicas cannot deadlock.
DELIVERED = """
with latest as materialized (
    select project, contact_id, max(at) as at
    from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as delivered (project, contact_id, at)
    group by project, contact_id
), locked as materialized (
    select project, contact_id, at from bounce_streak join latest using (project, contact_id)
    where delivered_at is null or at > delivered_at
    order by project, contact_id for update of bounce_streak
)
update bounce_streak as streak set
    delivered_at = locked.at,
    bounces = array(select bounce from unnest(streak.bounces) as bounce where bounce > locked.at)
from locked where streak.project = locked.project and streak.contact_id = locked.contact_id
"""
# The count starts again: an address that is released may bounce another five times.
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
    """Fold deliveries at once, since most are of contacts without a row, and the few other events one by one."""
    for are_delivered, run in groupby(events, key=lambda event: isinstance(event.message, EmailDelivered)):
        if are_delivered:
            delivered = list(run)
            await conn.execute(
                DELIVERED,
                [event.project for event in delivered],
                [event.message.contact_id for event in delivered],
                [event.message.at for event in delivered],
            )
            continue
        for event in run:
            await _fold(conn, event)


async def load(conn: Connection, keys: Iterable[Key]) -> Mapping[Key, tuple[BounceStreak, int]]:
    """Return the streaks of those contacts that have a row, with the versions of their streams."""
    projects, contacts = zip(*keys, strict=True)
    rows = await conn.fetch(LOAD, projects, contacts)
    return {
        (row["project"], row["contact_id"]): (
            BounceStreak(
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
