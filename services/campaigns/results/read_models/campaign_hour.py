"""What happened to a campaign in each hour. Each mail counts once per kind, so the hours add up to the statistics."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.emails import EmailSent
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailDelivered,
    EmailOpened,
)

NAME = "campaign_hour"
TABLES = ("campaign_hour",)
EVENTS = (EmailSent, EmailDelivered, EmailOpened, EmailClicked, EmailBounced, EmailComplained)
DDL = """
create table if not exists campaign_hour (
    project uuid not null,
    campaign_id uuid not null,
    hour timestamptz not null,
    sent int not null,
    delivered int not null,
    opened int not null,
    clicked int not null,
    bounced int not null,
    complained int not null,
    primary key (project, campaign_id, hour)
) with (fillfactor = 50);
"""

ADD = """
insert into campaign_hour as kept (project, campaign_id, hour, sent, delivered, opened, clicked, bounced, complained)
select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[],
    $9::int[])
on conflict (project, campaign_id, hour) do update set
    sent = kept.sent + excluded.sent,
    delivered = kept.delivered + excluded.delivered,
    opened = kept.opened + excluded.opened,
    clicked = kept.clicked + excluded.clicked,
    bounced = kept.bounced + excluded.bounced,
    complained = kept.complained + excluded.complained
"""
HOURS = """
select hour, sent, delivered, opened, clicked, bounced, complained from campaign_hour
where project = $1 and campaign_id = $2 order by hour
limit 10000
"""

COLUMNS: dict[type, str] = {
    EmailSent: "sent",
    EmailDelivered: "delivered",
    EmailOpened: "opened",
    EmailClicked: "clicked",
    EmailBounced: "bounced",
    EmailComplained: "complained",
}
Key = tuple[UUID, UUID, datetime]


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    counted: dict[Key, Counter[str]] = {}
    for event in events:
        message = event.message
        if message.campaign_id is None or not getattr(message, "first", True) or getattr(message, "again", False):
            continue
        at = event.at if isinstance(message, EmailSent) else message.at
        key = (event.project, message.campaign_id, at.replace(minute=0, second=0, microsecond=0))
        counted.setdefault(key, Counter())[COLUMNS[type(message)]] += 1
    if counted:
        keys = sorted(counted)
        ids = [[key[part] for key in keys] for part in range(3)]
        await conn.execute(ADD, *ids, *([counted[key][name] for key in keys] for name in COLUMNS.values()))


async def hours(conn: Connection, project: UUID, campaign_id: UUID) -> list[asyncpg.Record]:
    """Return the hours in which something happened, in chronological order."""
    return list(await conn.fetch(HOURS, project, campaign_id))
