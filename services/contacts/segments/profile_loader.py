"""Loads one contact with everything that conditions can ask about."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from libs.kernel.conditions.evaluation import ContactProfile, Occurrences
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.segments.condition import referenced_segments
from services.contacts.segments.matching import matches
from services.contacts.segments.read_models import segment_list
from services.contacts.segments.references import load_referenced

EVENTS = "select name, count, last_at from contact_event where project = $1 and contact_id = $2"
ACTIVITIES = "select name, count, last_at from contact_activity where project = $1 and contact_id = $2"


async def load_profile(
    conn: Connection, project: UUID, contact_id: UUID, condition: Condition | None
) -> ContactProfile | None:
    """Return the contact and which segments named in the condition it is in; None if there is no such contact."""
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
        segments=await _segments_of(conn, project, contact_id, condition) if condition else (),
    )


async def _segments_of(conn: Connection, project: UUID, contact_id: UUID, condition: Condition) -> set[UUID]:
    conditions = await load_referenced(conn, project, condition)
    return {
        segment_id
        for segment_id in referenced_segments(condition)
        if await _is_in(conn, project, contact_id, segment_id, conditions.get(segment_id))
    }


async def _is_in(
    conn: Connection, project: UUID, contact_id: UUID, segment_id: UUID, condition: Condition | None
) -> bool:
    if condition:
        return bool(await matches(conn, project, contact_id, condition))
    return bool(await segment_list.listed(conn, project, segment_id, [contact_id]))


def _occurrences(rows: Iterable[Any]) -> dict[str, Occurrences]:
    return {row["name"]: Occurrences(row["count"], row["last_at"]) for row in rows}
