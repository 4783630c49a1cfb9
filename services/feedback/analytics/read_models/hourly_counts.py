"""Hourly counts: how many mails of each project SES accepted, and what happened to them, by the hour in which it did.

Each mail counts once in each column. Transient bounces, opens and clicks by machines, and bounces and complaints of
Amazon's mailbox simulator do not count.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.mails import (
    Day,
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelivered,
    EmailOpened,
    FeedbackEvent,
)

NAME = "tally"
TABLES = ("tally",)
EVENTS = (EmailConfirmed, EmailDelivered, EmailOpened, EmailClicked, EmailBounced, EmailComplained)
COLUMNS = ("sent", "delivered", "opened", "clicked", "bounced", "complained")
SIMULATOR = "@simulator.amazonses.com"

# Half of each page is left free, so that updates stay on the page and do not touch the index.
DDL = """
create table if not exists tally (
    project uuid not null,
    hour timestamptz not null,
    sent int not null,
    delivered int not null,
    opened int not null,
    clicked int not null,
    bounced int not null,
    complained int not null,
    primary key (project, hour)
) with (fillfactor = 50)
"""

# Rows are locked in one order, so that two replicas cannot deadlock.
ADD = """
insert into tally as t (project, hour, sent, delivered, opened, clicked, bounced, complained)
select * from unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[])
    as new (project, hour)
order by project, hour
on conflict (project, hour) do update set
    sent = t.sent + excluded.sent,
    delivered = t.delivered + excluded.delivered,
    opened = t.opened + excluded.opened,
    clicked = t.clicked + excluded.clicked,
    bounced = t.bounced + excluded.bounced,
    complained = t.complained + excluded.complained
"""

# Days without mail are included, with zeros.
DAYS = """
select day::date as date, coalesce(sum(sent), 0)::int as emails, coalesce(sum(delivered), 0)::int as delivered,
    coalesce(sum(opened), 0)::int as opens, coalesce(sum(clicked), 0)::int as clicks,
    coalesce(sum(bounced), 0)::int as bounces
from generate_series($2::date::timestamp, $3::date::timestamp, '1 day') as day
left join tally on tally.project = $1
    and tally.hour >= day at time zone 'UTC' and tally.hour < (day + interval '1 day') at time zone 'UTC'
group by day order by day
"""


async def project(conn: Connection, events: Sequence[Envelope[FeedbackEvent]]) -> None:
    counted: Counter[tuple[UUID, datetime, str]] = Counter()
    for event in events:
        if column := _column(event.message):
            counted[event.project, _hour(event.message.at), column] += 1
    rows = sorted({(project, hour) for project, hour, _ in counted})
    if rows:
        projects, hours = zip(*rows, strict=True)
        await conn.execute(ADD, projects, hours, *([counted[*row, column] for row in rows] for column in COLUMNS))


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _column(event: FeedbackEvent) -> str | None:
    match event:
        case EmailConfirmed():
            return "sent"
        case EmailDelivered(first=True):
            return "delivered"
        case EmailOpened(first=True):
            return "opened"
        case EmailClicked(first=True):
            return "clicked"
        case EmailBounced(first=True, bounce_type="Permanent" | "Undetermined", recipient=recipient):
            return None if _is_simulated(recipient) else "bounced"
        case EmailComplained(first=True, recipient=recipient):
            return None if _is_simulated(recipient) else "complained"
    return None


def _is_simulated(recipient: str | None) -> bool:
    return recipient is not None and recipient.endswith(SIMULATOR)


async def days(conn: Connection, project: UUID, start: date, end: date) -> list[Day]:
    """Return the counts of each day in UTC from `start` to `end`, both included."""
    return [Day(**row) for row in await conn.fetch(DAYS, project, start, end)]
