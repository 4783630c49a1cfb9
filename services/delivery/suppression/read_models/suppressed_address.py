"""The list of addresses that get no mail: added by hand, or because of bounces and complaints.

Only the latest time of each fact is kept, so their order does not matter. An address gets mail again once it is
released; or when its contact subscribes, unless it was added by hand; or, after repeated temporary bounces, when a mail
is delivered.

`report` tells the entries that follow from a notification of SES apart from those that a project made by command: only
they concern the SES account, which all projects share.

The address of a deleted contact is kept as a hash (see `address_hash`), which cannot be mistaken for an address.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ContactSubscribed
from libs.schemas.delivery.suppressions import AddressForgotten, AddressReleased, AddressSuppressed, ListedReason
from libs.schemas.feedback.mails import EmailBounced, EmailComplained, MailboxFailing, MailboxRecovered
from services.delivery.suppression.address_hash import ADDRESS_HASH

Report = Literal["BOUNCE", "COMPLAINT"]
"""What SES reports of an address: its list has no other reasons."""

NAME = "suppressed_address"
TABLES = ("suppressed_address",)
EVENTS = (
    AddressSuppressed,
    AddressReleased,
    AddressForgotten,
    EmailBounced,
    EmailComplained,
    MailboxFailing,
    MailboxRecovered,
    ContactSubscribed,
)
# `reason` follows from the times, so that it can be listed and counted, and so does `report`.
DDL = """
create table if not exists suppressed_address (
    project uuid not null,
    address text not null,
    manual_at timestamptz not null default '-infinity',
    bounced_at timestamptz not null default '-infinity',
    complained_at timestamptz not null default '-infinity',
    released_at timestamptz not null default '-infinity',
    subscribed_at timestamptz not null default '-infinity',
    primary key (project, address)
);
alter table suppressed_address
    add column if not exists repeated_at timestamptz not null default '-infinity',
    add column if not exists recovered_at timestamptz not null default '-infinity';
alter table suppressed_address add column if not exists reason text generated always as (
    case when manual_at > released_at then 'MANUAL'
        when bounced_at > greatest(released_at, subscribed_at) then 'BOUNCE'
        when complained_at > greatest(released_at, subscribed_at) then 'COMPLAINT'
        when repeated_at > greatest(released_at, subscribed_at, recovered_at) then 'REPEATED_BOUNCE' end
) stored;
alter table suppressed_address
    add column if not exists bounce_reported_at timestamptz not null default '-infinity',
    add column if not exists complaint_reported_at timestamptz not null default '-infinity';
alter table suppressed_address add column if not exists report text generated always as (
    case when bounce_reported_at > greatest(released_at, subscribed_at) then 'BOUNCE'
        when complaint_reported_at > greatest(released_at, subscribed_at) then 'COMPLAINT' end
) stored;
create index if not exists suppressed_address_report on suppressed_address (address) where report is not null;
"""

# Events about an address that is listed as a hash go to the row of the hash.
MERGE = f"""
with resolved as (
    select new.project, new.fact, new.at, new.reported, coalesce((
        select hashed.address from suppressed_address as hashed
        where hashed.project = new.project
            and hashed.address = {ADDRESS_HASH.format(address="new.address", project="new.project")}
    ), new.address) as address
    from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bool[])
        as new (project, address, fact, at, reported)
), new as (
    select project, address,
        coalesce(max(at) filter (where fact = 'MANUAL'), '-infinity') as manual_at,
        coalesce(max(at) filter (where fact = 'BOUNCE'), '-infinity') as bounced_at,
        coalesce(max(at) filter (where fact = 'COMPLAINT'), '-infinity') as complained_at,
        coalesce(max(at) filter (where fact = 'released'), '-infinity') as released_at,
        coalesce(max(at) filter (where fact = 'subscribed'), '-infinity') as subscribed_at,
        coalesce(max(at) filter (where fact = 'REPEATED_BOUNCE'), '-infinity') as repeated_at,
        coalesce(max(at) filter (where fact = 'recovered'), '-infinity') as recovered_at,
        coalesce(max(at) filter (where fact = 'BOUNCE' and reported), '-infinity') as bounce_reported_at,
        coalesce(max(at) filter (where fact = 'COMPLAINT' and reported), '-infinity') as complaint_reported_at
    from resolved
    group by project, address
    order by project, address
)
insert into suppressed_address as kept (project, address, manual_at, bounced_at, complained_at, released_at,
    subscribed_at, repeated_at, recovered_at, bounce_reported_at, complaint_reported_at)
select project, address, manual_at, bounced_at, complained_at, released_at, subscribed_at, repeated_at, recovered_at,
    bounce_reported_at, complaint_reported_at
from new
on conflict (project, address) do update set
    manual_at = greatest(excluded.manual_at, kept.manual_at),
    bounced_at = greatest(excluded.bounced_at, kept.bounced_at),
    complained_at = greatest(excluded.complained_at, kept.complained_at),
    released_at = greatest(excluded.released_at, kept.released_at),
    subscribed_at = greatest(excluded.subscribed_at, kept.subscribed_at),
    repeated_at = greatest(excluded.repeated_at, kept.repeated_at),
    recovered_at = greatest(excluded.recovered_at, kept.recovered_at),
    bounce_reported_at = greatest(excluded.bounce_reported_at, kept.bounce_reported_at),
    complaint_reported_at = greatest(excluded.complaint_reported_at, kept.complaint_reported_at)
"""  # noqa: S608 - a constant
FORGET = "delete from suppressed_address where project = $1 and address = $2"
# The address is no longer in the log, so this hashes the whole list, but only in a rebuild.
FORGET_BY_HASH = f"""
delete from suppressed_address as kept
where project = $1 and address like '%@%' and {ADDRESS_HASH.format(address="kept.address", project="$1")} = $2
"""  # noqa: S608 - a constant
LISTED = f"""
select wanted.address, kept.reason, kept.report, kept.manual_at, kept.bounced_at, kept.complained_at, kept.repeated_at
from unnest($2::text[]) as wanted (address)
join suppressed_address kept on kept.project = $1
    and kept.address in (wanted.address, {ADDRESS_HASH.format(address="wanted.address", project="$1")})
where kept.reason is not null
"""  # noqa: S608 - a constant
# Each project has hashes of its own. Whoever has none has no deleted contacts either.
REPORT_OF_ANY = f"""
select report from (
    select report from suppressed_address where address = $1 and report is not null
    union all
    select kept.report from address_secret secret join suppressed_address kept on kept.project = secret.project
        and kept.address = {ADDRESS_HASH.format(address="$1::text", project="secret.project")}
    where kept.report is not null
) held
order by report limit 1
"""  # noqa: S608 - a constant
PAGE = """
select address, reason, manual_at, bounced_at, complained_at, repeated_at
from suppressed_address
where project = $1 and address > $2 and address like '%@%' and reason is not null and ($3::text is null or reason = $3)
order by address
limit $4
"""
COUNT = """
select count(*) from suppressed_address
where project = $1 and address like '%@%' and reason is not null and ($2::text is null or reason = $2)
"""
SINCE: dict[ListedReason, str] = {
    "MANUAL": "manual_at",
    "BOUNCE": "bounced_at",
    "COMPLAINT": "complained_at",
    "REPEATED_BOUNCE": "repeated_at",
}


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    for event in events:
        match event.message:
            case AddressForgotten(address="", contact_id=hash_):
                await conn.execute(FORGET_BY_HASH, event.project, hash_.hex)
            case AddressForgotten(address=address):
                await conn.execute(FORGET, event.project, address)
    facts = [(*fact, _is_reported(event.message)) for event in events for fact in _facts(event)]
    if facts:
        await conn.execute(MERGE, *map(list, zip(*facts, strict=True)))


async def listed(conn: Connection, project: UUID, addresses: Sequence[str]) -> dict[str, asyncpg.Record]:
    """Return the rows of those addresses, given in lower case, that get no mail."""
    return {row["address"]: row for row in await conn.fetch(LISTED, project, list(addresses))}


async def report_of_any(conn: Connection, address: str) -> Report | None:
    """Return what SES reported of the address, given in lower case, to any project that still lists it for that."""
    report: Report | None = await conn.fetchval(REPORT_OF_ANY, address)
    return report


async def page(
    conn: Connection, project: UUID, after: str, reason: ListedReason | None, most: int
) -> Sequence[asyncpg.Record]:
    return await conn.fetch(PAGE, project, after, reason, most)


async def count(conn: Connection, project: UUID, reason: ListedReason | None) -> int:
    found: int = await conn.fetchval(COUNT, project, reason)
    return found


def since(row: asyncpg.Record) -> datetime:
    at: datetime = row[SINCE[row["reason"]]]
    return at


def _facts(event: Envelope[Any]) -> Iterator[tuple[UUID, str, str, datetime]]:
    match event.message:
        case EmailBounced(bounce_type="Permanent", addresses=addresses, at=at):
            yield from ((event.project, address, "BOUNCE", at) for address in sorted(addresses))
        case EmailComplained(addresses=addresses, at=at):
            yield from ((event.project, address, "COMPLAINT", at) for address in sorted(addresses))
        case AddressSuppressed(address=address, contact_id=hash_, reason=reason):
            yield event.project, address or hash_.hex, reason, event.at
        case AddressReleased(address=address, contact_id=hash_):
            yield event.project, address or hash_.hex, "released", event.at
        case AddressForgotten(contact_id=hash_, reason=str() as reason):
            yield event.project, hash_.hex, reason, event.at
        case MailboxFailing(recipient=str() as address):
            yield event.project, address, "REPEATED_BOUNCE", event.at
        case MailboxRecovered(recipient=str() as address):
            yield event.project, address, "recovered", event.at
        case ContactSubscribed(email=email):
            yield event.project, email.lower(), "subscribed", event.at


def _is_reported(event: Any) -> bool:
    """Return whether SES reported the bounce or complaint, and no project listed it by command."""
    if isinstance(event, AddressForgotten):
        return event.reported
    return isinstance(event, EmailBounced | EmailComplained)
