"""Loads the segment that a command is about."""

from typing import Any

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from services.contacts.segments.errors import segment_not_found
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models.segment import SegmentRow


async def load_segment(unit: UnitOfWork, envelope: Envelope[Any]) -> SegmentRow:
    """Return the command's segment, and have the unit expect its stream unchanged. Raise Rejected if there is none."""
    row = await segments.find(unit.conn, envelope.project, envelope.message.segment_id)
    if row is None:
        raise segment_not_found()
    unit.expect(f"segment-{row.id}", row.version)
    return row
