"""Contacts who must not be written to because their mailbox does not exist or its owner complained.

A contact who subscribes afterwards gets mail again. Only the latest time of each fact is kept, so their order does not
matter.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ContactSubscribed
from libs.schemas.feedback.mails import EmailBounced, EmailComplained

NAME = "suppression"
TABLES = ("suppression",)
EVENTS = (EmailBounced, EmailComplained, ContactSubscribed)
DDL = """
create table if not exists suppression (
    project uuid not null,
    contact_id uuid not null,
    bounced_at timestamptz not null default '-infinity',
    complained_at timestamptz not null default '-infinity',
    subscribed_at timestamptz not null default '-infinity',
    primary key (project, contact_id)
);
"""

MERGE = """
insert into suppression (project, contact_id, bounced_at, complained_at, subscribed_at)
select project, contact_id,
    coalesce(max(at) filter (where fact = 'bounced'), '-infinity'),
    coalesce(max(at) filter (where fact = 'complained'), '-infinity'),
    coalesce(max(at) filter (where fact = 'subscribed'), '-infinity')
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) as new (project, contact_id, fact, at)
group by project, contact_id
order by project, contact_id
on conflict (project, contact_id) do update set
    bounced_at = greatest(excluded.bounced_at, suppression.bounced_at),
    complained_at = greatest(excluded.complained_at, suppression.complained_at),
    subscribed_at = greatest(excluded.subscribed_at, suppression.subscribed_at)
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    facts = [fact for event in events if (fact := _fact(event))]
    if facts:
        await conn.execute(MERGE, *map(list, zip(*facts, strict=True)))


def _fact(event: Envelope[Any]) -> tuple[UUID, UUID, str, datetime] | None:
    match event.message:
        case EmailBounced(contact_id=contact_id, bounce_type="Permanent", at=at):
            return event.project, contact_id, "bounced", at
        case EmailComplained(contact_id=contact_id, at=at):
            return event.project, contact_id, "complained", at
        case ContactSubscribed(contact_id=contact_id):
            return event.project, contact_id, "subscribed", event.at
    return None
