"""Contacts who must not be written to because their mailbox does not exist or its owner complained.

A contact who subscribes afterwards gets mail again. Only the latest time of each fact is kept, so their order does not
matter. Most bounces and complaints name the address, which may not be the contact's any more: they block that address
(see `suppressed_address`). Those that name none block the contact; their times are kept beside those of all.
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
alter table suppression add column if not exists unnamed_bounced_at timestamptz not null default '-infinity';
alter table suppression add column if not exists unnamed_complained_at timestamptz not null default '-infinity';
"""

MERGE = """
insert into suppression
    (project, contact_id, bounced_at, complained_at, subscribed_at, unnamed_bounced_at, unnamed_complained_at)
select project, contact_id,
    coalesce(max(at) filter (where fact = 'bounced'), '-infinity'),
    coalesce(max(at) filter (where fact = 'complained'), '-infinity'),
    coalesce(max(at) filter (where fact = 'subscribed'), '-infinity'),
    coalesce(max(at) filter (where fact = 'bounced' and not named), '-infinity'),
    coalesce(max(at) filter (where fact = 'complained' and not named), '-infinity')
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::boolean[])
    as new (project, contact_id, fact, at, named)
group by project, contact_id
order by project, contact_id
on conflict (project, contact_id) do update set
    bounced_at = greatest(excluded.bounced_at, suppression.bounced_at),
    complained_at = greatest(excluded.complained_at, suppression.complained_at),
    subscribed_at = greatest(excluded.subscribed_at, suppression.subscribed_at),
    unnamed_bounced_at = greatest(excluded.unnamed_bounced_at, suppression.unnamed_bounced_at),
    unnamed_complained_at = greatest(excluded.unnamed_complained_at, suppression.unnamed_complained_at)
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    facts = [fact for event in events if (fact := _fact(event))]
    if facts:
        await conn.execute(MERGE, *map(list, zip(*facts, strict=True)))


def _fact(event: Envelope[Any]) -> tuple[UUID, UUID, str, datetime, bool] | None:
    """Return project, contact, what happened, when, and whether an address is named."""
    match event.message:
        case EmailBounced(contact_id=contact_id, bounce_type="Permanent", at=at, addresses=addresses):
            return event.project, contact_id, "bounced", at, bool(addresses)
        case EmailComplained(contact_id=contact_id, at=at, addresses=addresses):
            return event.project, contact_id, "complained", at, bool(addresses)
        case ContactSubscribed(contact_id=contact_id):
            return event.project, contact_id, "subscribed", event.at, True
    return None
