"""The lists of static segments: which contacts were added, and when."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.contacts.segments import SegmentDeleted, SegmentMembersAdded, SegmentMembersRemoved

NAME = "segment_list"
TABLES = ("segment_list",)
EVENTS = (SegmentMembersAdded, SegmentMembersRemoved, SegmentDeleted, ContactDeleted)

DDL = """
create table if not exists segment_list (
    project uuid not null,
    segment_id uuid not null,
    contact_id uuid not null,
    since timestamptz not null,
    primary key (project, contact_id, segment_id)
);
create index if not exists segment_list_newest on segment_list (project, segment_id, since desc, contact_id desc);
"""

ADD = """
insert into segment_list (project, segment_id, contact_id, since)
select $1, $2, unnest($3::uuid[]), $4
on conflict do nothing
"""
REMOVE = "delete from segment_list where project = $1 and segment_id = $2 and contact_id = any($3::uuid[])"
ERASE = "delete from segment_list where project = $1 and contact_id = $2"
CLEAR = "delete from segment_list where project = $1 and segment_id = $2"

LISTED = """
select contact_id, since from segment_list where project = $1 and segment_id = $2 and contact_id = any($3::uuid[])
"""
COUNT = """
select count(*) from segment_list as listed
join contact on contact.project = listed.project and contact.id = listed.contact_id
where listed.project = $1 and listed.segment_id = $2
"""
PAGE = """
select contact.id from segment_list as listed
join contact on contact.project = listed.project and contact.id = listed.contact_id
where listed.project = $1 and listed.segment_id = $2
order by listed.since desc, listed.contact_id desc
limit $3 offset $4
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Fold the events in order, because one batch can add a contact and remove it again."""
    for envelope in events:
        match envelope.message:
            case SegmentMembersAdded(segment_id=segment_id, contact_ids=contacts):
                await conn.execute(ADD, envelope.project, segment_id, contacts, envelope.at)
            case SegmentMembersRemoved(segment_id=segment_id, contact_ids=contacts):
                await conn.execute(REMOVE, envelope.project, segment_id, contacts)
            case SegmentDeleted(segment_id=segment_id):
                await conn.execute(CLEAR, envelope.project, segment_id)
            case ContactDeleted(contact_id=contact_id):
                await conn.execute(ERASE, envelope.project, contact_id)


async def listed(conn: Connection, project: UUID, segment_id: UUID, contacts: Collection[UUID]) -> dict[UUID, datetime]:
    """Return those of the contacts that are on the list, each with the time it was added."""
    rows = await conn.fetch(LISTED, project, segment_id, list(contacts))
    return {row["contact_id"]: row["since"] for row in rows}


async def count(conn: Connection, project: UUID, segment_id: UUID) -> int:
    found: int = await conn.fetchval(COUNT, project, segment_id)
    return found


async def page(conn: Connection, project: UUID, segment_id: UUID, limit: int, offset: int) -> list[UUID]:
    """Return contact ids, the last added first."""
    return [row["id"] for row in await conn.fetch(PAGE, project, segment_id, limit, offset)]
