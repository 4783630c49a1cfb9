"""Handle the commands about segments, one at a time: they are rare, and each sees the effects of the one before."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Command, View
from libs.schemas.contacts.segments import (
    AddSegmentMembers,
    ComputedSegment,
    ComputeSegment,
    CreateSegment,
    DeletedSegment,
    DeleteSegment,
    RemoveSegmentMembers,
    SegmentView,
    UpdateSegment,
)
from services.contacts.segments import members, membership, segment
from services.contacts.segments.condition import SegmentConditions, check_cost, compile_condition
from services.contacts.segments.errors import in_use, not_tracked
from services.contacts.segments.list_commands import add_members, remove_members
from services.contacts.segments.loading import load_segment
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.references import conditions_of, dependents, direct_dependents
from services.contacts.segments.scan import scan_first_page
from services.contacts.segments.segment import Segment
from services.contacts.segments.views import segment_view

MAX_PORTIONS = 5
TAKE_TRANSITIONS = """
update segment_state set entered = 0, exited = 0
from (select entered, exited from segment_state where project = $1 and segment_id = $2 for update) as before
where project = $1 and segment_id = $2
returning before.entered, before.exited
"""


async def change_segments(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
    return [await _handle(unit, envelope) for envelope in envelopes]


async def _handle(unit: UnitOfWork, envelope: Envelope[Any]) -> bytes:
    try:
        await membership.lock(unit.conn, envelope.project)
        return accepted_reply(await _HANDLERS[type(envelope.message)](unit, envelope))
    except Rejected as rejected:
        return encode(rejected.as_reply())


async def _create(unit: UnitOfWork, envelope: Envelope[CreateSegment]) -> SegmentView:
    existing = await segments.find(unit.conn, envelope.project, envelope.message.segment_id)
    events = segment.decide(envelope.message, _state(existing) if existing else None)
    if events:
        await _check_references(unit, envelope, events[0])
        unit.append(events, envelope)
        await unit.flush()
        await _redefine(unit, envelope)
    return await _view(unit, envelope)


async def _update(unit: UnitOfWork, envelope: Envelope[UpdateSegment]) -> SegmentView:
    row = await load_segment(unit, envelope)
    events = segment.decide(envelope.message, _state(row))
    if not events:
        return await _view(unit, envelope)
    await _check_references(unit, envelope, events[0])
    unit.append(events, envelope)
    await unit.flush()
    if envelope.message.condition not in (None, row.condition):
        await _redefine(unit, envelope)
    return await _view(unit, envelope)


async def _delete(unit: UnitOfWork, envelope: Envelope[DeleteSegment]) -> DeletedSegment:
    row = await load_segment(unit, envelope)
    users = direct_dependents(row.id, await segments.list_all(unit.conn, envelope.project))
    if users:
        raise in_use(len(users))
    unit.append(segment.decide(envelope.message, _state(row)), envelope)
    await unit.flush()
    return DeletedSegment(id=row.id)


async def _compute(unit: UnitOfWork, envelope: Envelope[ComputeSegment]) -> ComputedSegment:
    row = await load_segment(unit, envelope)
    if not row.track_membership:
        raise not_tracked()
    rows = await segments.list_all(unit.conn, envelope.project)
    for _ in range(MAX_PORTIONS):
        if not await membership.catch_up(unit, envelope.project, rows):
            break
    transitions = await unit.conn.fetchrow(TAKE_TRANSITIONS, envelope.project, row.id)
    total = await members.count(unit.conn, envelope.project, row)
    entered, exited = transitions or (0, 0)
    return ComputedSegment(added=entered, removed=exited, total=total)


_HANDLERS: Mapping[type[Command], Callable[[UnitOfWork, Envelope[Any]], Coroutine[Any, Any, View]]] = {
    CreateSegment: _create,
    UpdateSegment: _update,
    DeleteSegment: _delete,
    AddSegmentMembers: add_members,
    RemoveSegmentMembers: remove_members,
    ComputeSegment: _compute,
}
COMMANDS: Mapping[type[Command], BatchHandler] = dict.fromkeys(_HANDLERS, change_segments)


def _state(row: SegmentRow) -> Segment:
    return Segment(
        kind=row.kind,
        name=row.name,
        condition=row.condition,
        description=row.description,
        track_membership=row.track_membership,
    )


async def _view(unit: UnitOfWork, envelope: Envelope[Any]) -> SegmentView:
    row = await segments.find(unit.conn, envelope.project, envelope.message.segment_id)
    assert row is not None
    return segment_view(row, await members.count(unit.conn, envelope.project, row))


async def _check_references(unit: UnitOfWork, envelope: Envelope[Any], event: Any) -> None:
    """Raise Rejected if the new condition, or that of a segment that depends on it, would refer to a missing segment or
    to itself."""
    condition = event.condition
    if condition is None:
        return
    rows = await segments.list_all(unit.conn, envelope.project)
    conditions: SegmentConditions = {**conditions_of(rows), event.segment_id: condition}
    compile_condition(condition, conditions, own_id=event.segment_id)
    check_cost(condition, conditions)
    for row in dependents(event.segment_id, rows):
        assert row.condition
        compile_condition(row.condition, conditions, own_id=row.id)
        check_cost(row.condition, conditions)


async def _redefine(unit: UnitOfWork, envelope: Envelope[Any]) -> None:
    """Start finding the members of the segment, and of the segments that depend on it, from scratch."""
    project = envelope.project
    rows = await segments.list_all(unit.conn, project)
    changed = next(row for row in rows if row.id == envelope.message.segment_id)
    for row in [changed, *dependents(changed.id, rows)]:
        await membership.define(unit, project, row)
        if row.condition:
            await scan_first_page(unit, project, row, rows)
