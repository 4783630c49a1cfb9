"""Contacts as they are now. Decisions are made by these rows, and segments are questions to them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.clock import iso
from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.base import Data
from libs.schemas.contacts import (
    ContactCreated,
    ContactDeleted,
    ContactSubscribed,
    ContactUnsubscribed,
    ContactUpdated,
)
from services.contacts.contact import Contact

NAME = "contact"
TABLES = ("contact",)
EVENTS = (ContactCreated, ContactUpdated, ContactSubscribed, ContactUnsubscribed, ContactDeleted)

# The address is checked at the end of each statement, so that contacts can hand one on to each other within a batch.
DDL = """
create table if not exists contact (
    project uuid not null,
    id uuid not null,
    email text not null,
    subscribed boolean not null,
    data jsonb not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project, id),
    constraint contact_address unique (project, email) deferrable initially immediate
) with (fillfactor = 85);
alter table contact add column if not exists snoozed_until timestamptz;
create index if not exists contact_newest on contact (project, created_at desc, id desc);
"""

INSERT = """
insert into contact (project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::jsonb[], $6::int[], $7::timestamptz[], $8::timestamptz[],
    $9::timestamptz[])
"""

UPDATE = """
update contact set
    email = new.email,
    subscribed = coalesce(new.subscribed, contact.subscribed),
    data = coalesce(new.data, contact.data),
    version = new.version,
    updated_at = new.updated_at,
    snoozed_until = case when new.subscribed is null then contact.snoozed_until else new.snoozed_until end
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::jsonb[], $6::int[], $7::timestamptz[],
        $8::timestamptz[])
    as new (project, id, email, subscribed, data, version, updated_at, snoozed_until)
where contact.project = new.project and contact.id = new.id and contact.version < new.version
"""

DELETE = """
delete from contact using unnest($1::uuid[], $2::uuid[]) as gone (project, id)
where contact.project = gone.project and contact.id = gone.id
"""

LOAD = """
select contact.project, contact.id, contact.email, subscribed, data, version, created_at, updated_at, snoozed_until
from unnest($1::uuid[], $2::text[]) as wanted (project, email)
join contact on contact.project = wanted.project and contact.email = wanted.email
union all
select contact.project, contact.id, contact.email, subscribed, data, version, created_at, updated_at, snoozed_until
from unnest($3::uuid[], $4::uuid[]) as wanted (project, id)
join contact on contact.project = wanted.project and contact.id = wanted.id
"""

PAGE = """
select project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until
from contact
where project = $1 and (created_at, id) < ($2, $3) and ($4::text is null or strpos(email, $4) > 0)
order by created_at desc, id desc
limit $5
"""

KNOWN = "select email from contact where project = $1 and email = any($2::text[])"

COUNT = "select count(*) from contact where project = $1 and ($2::text is null or strpos(email, $2) > 0)"

FIRST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""The place before the newest contact, where a listing starts."""

_decode: msgspec.json.Decoder[Data] = msgspec.json.Decoder(Data)


class Row(msgspec.Struct, frozen=True):
    """A contact as it is stored; `version` is its place in its stream."""

    project: UUID
    contact_id: UUID
    contact: Contact
    version: int
    created_at: datetime
    updated_at: datetime


class _Change(msgspec.Struct):
    """What a batch of events does to one contact; None is no change."""

    project: UUID
    id: UUID
    email: str = ""
    subscribed: bool | None = None
    data: str | None = None
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    snoozed_until: datetime | None = None
    deleted: bool = False


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    changes = _by_contact(event for event in events if not _is_forgotten(event))
    deleted = [change for change in changes if change.deleted]
    created = [change for change in changes if change.created_at and not change.deleted]
    updated = [change for change in changes if not change.created_at and not change.deleted]
    if deleted:
        await conn.execute(DELETE, *_columns(deleted, "project id"))
    if updated:
        await conn.execute(
            UPDATE, *_columns(updated, "project id email subscribed data version updated_at snoozed_until")
        )
    if created:
        columns = "project id email subscribed data version created_at updated_at snoozed_until"
        await conn.execute(INSERT, *_columns(created, columns))


async def load(
    conn: Connection, addresses: Collection[tuple[UUID, str]], ids: Collection[tuple[UUID, UUID]]
) -> list[Row]:
    """The contacts that have one of these (project, address) or (project, id); those named by both come twice."""
    rows = await conn.fetch(
        LOAD,
        [project for project, _ in addresses],
        [address for _, address in addresses],
        [project for project, _ in ids],
        [contact for _, contact in ids],
    )
    return [row_of(row) for row in rows]


async def known(conn: Connection, project: UUID, addresses: Collection[str]) -> set[str]:
    """Those of the addresses that contacts have."""
    return {row["email"] for row in await conn.fetch(KNOWN, project, list(addresses))}


async def page(
    conn: Connection, project: UUID, after: tuple[datetime, UUID], search: str | None, limit: int
) -> list[Row]:
    """Contacts whose address contains `search` (lower-case), newest first, from the place `after`."""
    return [row_of(row) for row in await conn.fetch(PAGE, project, *after, search, limit)]


async def count(conn: Connection, project: UUID, search: str | None) -> int:
    found: int = await conn.fetchval(COUNT, project, search)
    return found


def row_of(row: Any) -> Row:
    """Read a record that `LOAD`, or a query with the same columns, selected."""
    data = _decode.decode(row["data"])
    return Row(
        row["project"],
        row["id"],
        Contact(
            id=row["id"],
            email=row["email"],
            subscribed=row["subscribed"],
            data=data,
            snoozed_until=iso(row["snoozed_until"]) if row["snoozed_until"] else None,
        ),
        row["version"],
        row["created_at"],
        row["updated_at"],
    )


def _by_contact(events: Iterable[Envelope[Any]]) -> list[_Change]:
    changes: dict[tuple[UUID, UUID], _Change] = {}
    for envelope in events:
        key = envelope.project, envelope.message.contact_id
        change = changes.setdefault(key, _Change(*key))
        _apply(change, envelope)
    return list(changes.values())


def _is_forgotten(envelope: Envelope[Any]) -> bool:
    """Blank, because the contact is deleted later in the log: when tables are made anew, it is never in them."""
    return not getattr(envelope.message, "email", True)


def _apply(change: _Change, envelope: Envelope[Any]) -> None:
    event = envelope.message
    if isinstance(event, ContactDeleted):
        change.deleted = True
        return
    change.email, change.version, change.updated_at = event.email, envelope.version, envelope.at
    match event:
        case ContactCreated():
            change.created_at = envelope.at
            change.subscribed, change.data = event.subscribed, encode(event.data).decode()
        case ContactUpdated():
            change.data = encode(event.data).decode()
        case ContactSubscribed():
            change.subscribed, change.snoozed_until = True, None
        case ContactUnsubscribed():
            change.subscribed = False
            change.snoozed_until = datetime.fromisoformat(event.until) if event.until else None


def _columns(changes: Sequence[_Change], names: str) -> list[list[object]]:
    return [[getattr(change, name) for change in changes] for name in names.split()]
