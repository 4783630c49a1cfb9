"""The segments that conditions refer to, by whatever way."""

from collections.abc import Iterable
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition
from services.contacts.segments.condition import Segments, references
from services.contacts.segments.read_models import segment as segments


async def referenced(conn: Connection, project: UUID, condition: Condition) -> Segments:
    """What `compiled` needs to know of other segments. Those that do not exist are left out."""
    known: dict[UUID, Condition | None] = {}
    wanted = references(condition)
    while wanted:
        found = await segments.load(conn, project, wanted)
        known |= {row.id: row.condition for row in found.values()}
        wanted = {ref for row in found.values() if row.condition for ref in references(row.condition)} - known.keys()
    return known


def definitions_of(rows: Iterable[segments.Row]) -> Segments:
    return {row.id: row.condition for row in rows}


def direct_dependents(segment_id: UUID, rows: Iterable[segments.Row]) -> list[segments.Row]:
    """The segments whose conditions name this one."""
    return [row for row in rows if row.condition and segment_id in references(row.condition)]


def dependents(segment_id: UUID, rows: Iterable[segments.Row]) -> list[segments.Row]:
    """The segments whose members depend on this one's, by whatever way."""
    rows = list(rows)
    found: dict[UUID, segments.Row] = {}
    waiting = [segment_id]
    while waiting:
        for row in direct_dependents(waiting.pop(), rows):
            if row.id not in found:
                found[row.id] = row
                waiting.append(row.id)
    return list(found.values())
