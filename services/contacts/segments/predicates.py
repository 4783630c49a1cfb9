"""Compiles the conditions of several segments into parts of one statement."""

from collections.abc import Iterable
from uuid import UUID

import structlog

from libs.kernel.rejection import Rejected
from services.contacts.segments.condition import Predicate, SegmentConditions, compile_condition
from services.contacts.segments.read_models.segment import SegmentRow

log = structlog.get_logger()


def compile_segments(rows: Iterable[SegmentRow], conditions: SegmentConditions, *, after: int) -> dict[UUID, Predicate]:
    """Return the segments' predicates by id, with consecutive arguments from `after` + 1.

    A condition that does not compile any more is logged and left out.
    """
    predicates: dict[UUID, Predicate] = {}
    for row in rows:
        assert row.condition
        try:
            predicates[row.id] = compile_condition(row.condition, conditions, after=after, own_id=row.id)
        except Rejected as rejected:
            # it was valid when it was saved; whatever broke it must not stop the other segments
            log.error("segment.condition_is_broken", segment=str(row.id), error=rejected.message)
            continue
        after += len(predicates[row.id].args)
    return predicates


def turning_points_of(predicates: Iterable[Predicate]) -> str:
    """Return the SQL list of the times at which time alone may change one of the predicates."""
    return ", ".join([point for each in predicates for point in each.turning_points] or ["null::timestamptz"])
