"""One contact with all that conditions can ask about."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from libs.kernel.conditions.evaluation import ContactProfile, Occurrences
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.segments.condition import references
from services.contacts.segments.definitions import referenced
from services.contacts.segments.members import matches
from services.contacts.segments.read_models import segment_list

EVENTS = "select name, count, last_at from contact_event where project = $1 and contact_id = $2"
ACTIVITIES = "select name, count, last_at from contact_activity where project = $1 and contact_id = $2"


async def find_person(
    conn: Connection, project: UUID, contact_id: UUID, asked: Condition | None
) -> ContactProfile | None:
    """The contact, with its membership of the segments that the condition names. None if there is no such contact."""
    found = await contacts.load(conn, [], [(project, contact_id)])
    if not found:
        return None
    row = found[0]
    return ContactProfile(
        email=row.contact.email,
        subscribed=row.contact.subscribed,
        data=row.contact.data,
        created_at=row.created_at,
        updated_at=row.updated_at,
        events=_occurrences(await conn.fetch(EVENTS, project, contact_id)),
        activities=_occurrences(await conn.fetch(ACTIVITIES, project, contact_id)),
        segments=await _segments_of(conn, project, contact_id, asked) if asked else (),
    )


async def _segments_of(conn: Connection, project: UUID, contact_id: UUID, asked: Condition) -> set[UUID]:
    known = await referenced(conn, project, asked)
    return {each for each in references(asked) if await _is_in(conn, project, contact_id, each, known.get(each))}


async def _is_in(
    conn: Connection, project: UUID, contact_id: UUID, segment_id: UUID, condition: Condition | None
) -> bool:
    if condition:
        return bool(await matches(conn, project, contact_id, condition))
    return bool(await segment_list.listed(conn, project, segment_id, [contact_id]))


def _occurrences(rows: Iterable[Any]) -> dict[str, Occurrences]:
    return {row["name"]: Occurrences(row["count"], row["last_at"]) for row in rows}
