"""Contacts entering and leaving segments: counting them, and tracking an event for each if the segment is tracked."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Meta, Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import EventTracked
from services.contacts.segments.read_models.segment import SegmentRow

BY_TIME = Meta(actor="segments")
"""The cause of a transition that only time caused."""

ADD_COUNTS = """
update segment_state as state
set members = members + entered_now - exited_now, entered = entered + entered_now, exited = exited + exited_now
from unnest($2::uuid[], $3::bigint[], $4::bigint[]) as new (segment_id, entered_now, exited_now)
where state.project = $1 and state.segment_id = new.segment_id
"""


class Transition(msgspec.Struct, frozen=True):
    """A contact entered a segment or left it. `email` is None if the contact no longer exists."""

    segment_id: UUID
    contact_id: UUID
    entry: bool
    email: str | None


async def record(
    unit: UnitOfWork,
    project: UUID,
    transitions: Iterable[Transition],
    rows: Mapping[UUID, SegmentRow],
    causes: Mapping[UUID, Meta],
) -> None:
    """Add transitions to the segments' counts, and append an event for each one of a tracked segment.

    `causes` are by contact; without one, time is the cause.
    """
    entered: dict[UUID, int] = {}
    exited: dict[UUID, int] = {}
    for transition in transitions:
        counts = entered if transition.entry else exited
        counts[transition.segment_id] = counts.get(transition.segment_id, 0) + 1
        row = rows[transition.segment_id]
        if transition.email is not None and row.track_membership:
            cause = Origin(project=project, meta=causes.get(transition.contact_id, BY_TIME))
            unit.append([_event(transition, transition.email, row)], cause)
    segments = list(entered | exited)
    if segments:
        columns = [[counts.get(each, 0) for each in segments] for counts in (entered, exited)]
        await unit.conn.execute(ADD_COUNTS, project, segments, *columns)


def _event(transition: Transition, email: str, row: SegmentRow) -> EventTracked:
    return EventTracked(
        event_id=uuid7(),
        contact_id=transition.contact_id,
        email=email,
        name=f"segment.{row.slug}.{'entry' if transition.entry else 'exit'}",
        data={"segmentId": str(row.id), "segmentName": row.name},
    )
