"""Which segments refer to which in their conditions."""

from collections.abc import Iterable
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition
from services.contacts.segments.condition import SegmentConditions, referenced_segments
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models.segment import SegmentRow


async def load_referenced(conn: Connection, project: UUID, condition: Condition) -> SegmentConditions:
    """Return the conditions of all segments that this one refers to, directly or indirectly, as far as they exist."""
    loaded: dict[UUID, Condition | None] = {}
    wanted = referenced_segments(condition)
    while wanted:
        found = await segments.load(conn, project, wanted)
        loaded |= {row.id: row.condition for row in found.values()}
        wanted = {id for row in found.values() if row.condition for id in referenced_segments(row.condition)}
        wanted -= loaded.keys()
    return loaded


def conditions_of(rows: Iterable[SegmentRow]) -> SegmentConditions:
    return {row.id: row.condition for row in rows}


def direct_dependents(segment_id: UUID, rows: Iterable[SegmentRow]) -> list[SegmentRow]:
    """Return the segments whose conditions name this one."""
    return [row for row in rows if row.condition and segment_id in referenced_segments(row.condition)]


def dependents(segment_id: UUID, rows: Iterable[SegmentRow]) -> list[SegmentRow]:
    """Return the segments whose members depend on this one's, directly or indirectly."""
    rows = list(rows)
    found: dict[UUID, SegmentRow] = {}
    pending = [segment_id]
    while pending:
        for row in direct_dependents(pending.pop(), rows):
            if row.id not in found:
                found[row.id] = row
                pending.append(row.id)
    return list(found.values())
