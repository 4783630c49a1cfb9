"""Stores when contacts were asked to confirm their subscription."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ConfirmationAsked, ContactDeleted
from services.contacts.contacts.confirmation import remember

NAME = "confirmation"
TABLES = ("confirmation",)
EVENTS = (ConfirmationAsked, ContactDeleted)
DDL = """
create table if not exists confirmation (
    project uuid not null,
    contact_id uuid not null,
    asked timestamptz[] not null,
    version int not null,
    primary key (project, contact_id)
);
"""

SAVE = """
insert into confirmation (project, contact_id, asked, version)
values ($1, $2, $3, $4)
on conflict (project, contact_id) do update set asked = excluded.asked, version = excluded.version
"""
DELETE = """
delete from confirmation using unnest($1::uuid[], $2::uuid[]) as gone (project, contact_id)
where confirmation.project = gone.project and confirmation.contact_id = gone.contact_id
"""
LOAD = """
select confirmation.project, confirmation.contact_id, asked, version
from unnest($1::uuid[], $2::uuid[]) as wanted (project, contact_id)
join confirmation using (project, contact_id)
"""

Key = tuple[UUID, UUID]
"""A project and a contact."""


async def project(conn: Connection, events: Sequence[Envelope[ConfirmationAsked | ContactDeleted]]) -> None:
    """Save requests row by row, which are rare, and delete contacts in one statement, who may be many."""
    asked = [e for e in events if isinstance(e.message, ConfirmationAsked)]
    stored = await load(conn, {_key(e) for e in asked})
    for event in asked:
        key = _key(event)
        stored[key] = remember(stored.get(key, ((), 0))[0], event.at), event.version
    await conn.executemany(SAVE, [(*key, list(times), version) for key, (times, version) in stored.items()])
    gone = [_key(e) for e in events if isinstance(e.message, ContactDeleted)]
    if gone:
        await conn.execute(DELETE, [project for project, _ in gone], [contact for _, contact in gone])


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[tuple[datetime, ...], int]]:
    """Return the last times, oldest first, and the stream's version, by (project, contact)."""
    if not keys:
        return {}
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [contact for _, contact in keys])
    return {(row["project"], row["contact_id"]): (tuple(row["asked"]), row["version"]) for row in rows}


def _key(event: Envelope[ConfirmationAsked | ContactDeleted]) -> Key:
    return event.project, event.message.contact_id
