"""Contacts in their current state. Commands are decided on these rows, and segments are conditions on them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.instants import iso
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.rows import insert_rows
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import (
    ContactCreated,
    ContactDeleted,
    ContactSubscribed,
    ContactUnsubscribed,
    ContactUpdated,
)
from services.contacts.contacts.contact import Contact
from services.contacts.fields.count_deltas import CountDeltas
from services.contacts.fields.read_models import contact_field

NAME = "contact"
TABLES = ("contact", *contact_field.TABLES)
EVENTS = (ContactCreated, ContactUpdated, ContactSubscribed, ContactUnsubscribed, ContactDeleted)

# The address is checked at the end of each statement, so contacts of one batch can pass an address on to each other.
DDL = f"""
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
alter table contact add column if not exists untrusted jsonb not null default '[]';
{contact_field.DDL}"""
INDEXES = """
create index if not exists contact_newest on contact (project, created_at desc, id desc);
create index if not exists contact_trigrams on contact using gin (trigrams(project, email));
"""

INSERT = """
insert into contact (project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until,
    untrusted)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::jsonb[], $6::int[], $7::timestamptz[], $8::timestamptz[],
    $9::timestamptz[], $10::jsonb[])
"""
INSERTED = [
    *("project", "id", "email", "subscribed", "data", "version", "created_at", "updated_at", "snoozed_until"),
    "untrusted",
]

UPDATE = """
update contact set
    email = changed.email,
    subscribed = coalesce(changed.subscribed, contact.subscribed),
    data = coalesce(changed.data, contact.data),
    untrusted = coalesce(changed.untrusted, contact.untrusted),
    version = changed.version,
    updated_at = changed.updated_at,
    snoozed_until = case when changed.subscribed is null then contact.snoozed_until else changed.snoozed_until end
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::jsonb[], $6::int[], $7::timestamptz[],
        $8::timestamptz[], $9::jsonb[])
    as changed (project, id, email, subscribed, data, version, updated_at, snoozed_until, untrusted)
where contact.project = changed.project and contact.id = changed.id and contact.version < changed.version
returning changed.project, changed.id, case when changed.data is not null then old.data end as before
"""

DELETE = """
delete from contact using unnest($1::uuid[], $2::uuid[]) as gone (project, id)
where contact.project = gone.project and contact.id = gone.id
returning contact.project, contact.data
"""

LOAD = """
select contact.project, contact.id, contact.email, subscribed, data, version, created_at, updated_at, snoozed_until,
    untrusted
from unnest($1::uuid[], $2::text[]) as wanted (project, email)
join contact on contact.project = wanted.project and contact.email = wanted.email
union all
select contact.project, contact.id, contact.email, subscribed, data, version, created_at, updated_at, snoozed_until,
    untrusted
from unnest($3::uuid[], $4::uuid[]) as wanted (project, id)
join contact on contact.project = wanted.project and contact.id = wanted.id
"""

PAGE = """
select project, id, email, subscribed, data, version, created_at, updated_at, snoozed_until
from contact
where project = $1 and (created_at, id) < ($2, $3)
order by created_at desc, id desc
limit $4
"""

TAKEN = "select email from contact where project = $1 and email = any($2::text[])"

FIRST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""The position before the newest contact, where a list starts."""

_decode: msgspec.json.Decoder[Data] = msgspec.json.Decoder(Data)


class ContactRow(msgspec.Struct, frozen=True):
    """A contact as it is stored; `version` is that of its last event."""

    project: UUID
    contact_id: UUID
    contact: Contact
    version: int
    created_at: datetime
    updated_at: datetime


class _Change(msgspec.Struct):
    """The changes that a batch of events makes to one contact; None leaves a column as it is."""

    project: UUID
    id: UUID
    email: str = ""
    subscribed: bool | None = None
    data: str | None = None
    values: Data = {}
    version: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    snoozed_until: datetime | None = None
    untrusted: str | None = None
    deleted: bool = False


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    changes = _by_contact(event for event in events if not _is_erased(event))
    deltas = CountDeltas()
    await _delete([change for change in changes.values() if change.deleted], conn, deltas)
    await _update(
        {key: each for key, each in changes.items() if not each.created_at and not each.deleted}, conn, deltas
    )
    await _insert([change for change in changes.values() if change.created_at and not change.deleted], conn, deltas)
    await contact_field.add(conn, deltas)


async def _delete(changes: Sequence[_Change], conn: Connection, deltas: CountDeltas) -> None:
    if changes:
        for row in await conn.fetch(DELETE, *_columns(changes, "project id")):
            deltas.add_deleted(row["project"], _decode.decode(row["data"]))


async def _update(changes: dict[tuple[UUID, UUID], _Change], conn: Connection, deltas: CountDeltas) -> None:
    if not changes:
        return
    columns = "project id email subscribed data version updated_at snoozed_until untrusted"
    for row in await conn.fetch(UPDATE, *_columns(list(changes.values()), columns)):
        if row["before"] is not None:
            after = changes[row["project"], row["id"]].values
            deltas.add_updated(row["project"], _decode.decode(row["before"]), after)


async def _insert(changes: Sequence[_Change], conn: Connection, deltas: CountDeltas) -> None:
    rows = [
        (
            change.project,
            change.id,
            change.email,
            change.subscribed,
            change.data,
            change.version,
            change.created_at,
            change.updated_at,
            change.snoozed_until,
            change.untrusted,
        )
        for change in changes
    ]
    await insert_rows(conn, INSERT, "contact", INSERTED, rows)
    for change in changes:
        deltas.add_created(change.project, change.values)


async def load(
    conn: Connection, addresses: Collection[tuple[UUID, str]], ids: Collection[tuple[UUID, UUID]]
) -> list[ContactRow]:
    """Return the contacts with these (project, address) or (project, id). A contact named by both comes twice."""
    rows = await conn.fetch(
        LOAD,
        [project for project, _ in addresses],
        [address for _, address in addresses],
        [project for project, _ in ids],
        [contact for _, contact in ids],
    )
    return [row_of(row) for row in rows]


async def filter_taken(conn: Connection, project: UUID, addresses: Collection[str]) -> set[str]:
    """Return those of the addresses that contacts have."""
    return {row["email"] for row in await conn.fetch(TAKEN, project, list(addresses))}


async def page(conn: Connection, project: UUID, after: tuple[datetime, UUID], limit: int) -> list[ContactRow]:
    """Return contacts after the position, newest first."""
    return [row_of(row) for row in await conn.fetch(PAGE, project, *after, limit)]


def row_of(row: Any) -> ContactRow:
    """Return the contact in a record of `LOAD` or of a query with the same columns. `untrusted` matters to decisions
    only."""
    data, untrusted = _decode.decode(row["data"]), row.get("untrusted")
    return ContactRow(
        row["project"],
        row["id"],
        Contact(
            id=row["id"],
            email=row["email"],
            subscribed=row["subscribed"],
            data=data,
            snoozed_until=iso(row["snoozed_until"]) if row["snoozed_until"] else None,
            untrusted=msgspec.json.decode(untrusted) if untrusted else [],
        ),
        row["version"],
        row["created_at"],
        row["updated_at"],
    )


def _by_contact(events: Iterable[Envelope[Any]]) -> dict[tuple[UUID, UUID], _Change]:
    changes: dict[tuple[UUID, UUID], _Change] = {}
    for envelope in events:
        key = envelope.project, envelope.message.contact_id
        change = changes.setdefault(key, _Change(*key))
        _apply(change, envelope)
    return changes


def _is_erased(envelope: Envelope[Any]) -> bool:
    """Return whether the event lost its content because the contact is deleted later in the log.

    A rebuild sees such events, and must not create the contact from them.
    """
    return not getattr(envelope.message, "email", True)


def _apply(change: _Change, envelope: Envelope[Any]) -> None:
    event = envelope.message
    change.version, change.updated_at = envelope.version, envelope.at
    match event:
        case ContactCreated():
            change.created_at, change.email, change.subscribed = envelope.at, event.email, event.subscribed
            _set_data(change, event)
        case ContactUpdated():
            change.email = event.email
            _set_data(change, event)
        case ContactSubscribed():
            change.email, change.subscribed, change.snoozed_until = event.email, True, None
        case ContactUnsubscribed():
            change.email, change.subscribed = event.email, False
            change.snoozed_until = datetime.fromisoformat(event.until) if event.until else None
        case ContactDeleted():
            change.deleted = True


def _set_data(change: _Change, event: ContactCreated | ContactUpdated) -> None:
    change.data, change.values = encode(event.data).decode(), event.data
    change.untrusted = encode(event.untrusted).decode()


def _columns(changes: Sequence[_Change], names: str) -> list[list[object]]:
    return [[getattr(change, name) for change in changes] for name in names.split()]
