"""What it costs to test a condition on many contacts, as measured on a hundred thousand of them.

One point is about 0.2 microseconds per contact. Looking up a value costs one, comparing it by order three, searching a
text in it six, and reading it as a time twelve.
"""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.conditions.check import filters_of
from libs.kernel.conditions.language import AFFIX, CHOICE, ORDER, PRESENCE, RANGE, RELATIVE, SUBSTRING, field_of
from libs.kernel.conditions.values import parse_instant, parts_of
from libs.schemas.base import FieldError
from libs.schemas.contacts.contacts import Condition, Filter

LOOKUP, ORDERING, TEXT_SEARCH, TIME = 1, 3, 6, 12
COLUMN_TIME = 6

MAX_COST = 120
"""For the filters of a condition."""
MAX_TOTAL_COST = 500
"""For the filters of a condition and of the segments that it refers to, directly or indirectly."""


def cost_of(test: Filter) -> int:
    field = field_of(test.field)
    if field is None:
        return LOOKUP
    if test.operator in RANGE:
        return sum(map(cost_of, parts_of(test)))
    if field.scope in ("createdAt", "updatedAt"):
        return COLUMN_TIME
    return _cost_of_data(test) if field.scope == "data" else LOOKUP


def _cost_of_data(test: Filter) -> int:
    if test.operator in SUBSTRING | AFFIX:
        return TEXT_SEARCH
    if test.operator in CHOICE:  # plain values are looked for together
        return LOOKUP + sum(cost for each in parts_of(test) if (cost := _cost_of_data(each)) > LOOKUP)
    if test.operator in PRESENCE:
        return LOOKUP
    if test.operator in RELATIVE or parse_instant(test.value) is not None:
        return TIME
    return ORDERING if test.operator in ORDER else LOOKUP


def total_cost(condition: Condition, segments: Mapping[UUID, Condition | None]) -> int:
    """Return the cost with that of the segments it refers to, none of which refers to itself."""
    costs: dict[UUID, int] = {}

    def cost(condition: Condition | None) -> int:
        return sum(cost_of(test) + segment_cost(test) for test in filters_of(condition)) if condition else 0

    def segment_cost(test: Filter) -> int:
        field = field_of(test.field)
        if field is None or field.scope != "segment":
            return 0
        if field.segment_id not in costs:
            costs[field.segment_id] = cost(segments.get(field.segment_id))
        return costs[field.segment_id]

    return cost(condition)


def cost_flaws(
    condition: Condition, segments: Mapping[UUID, Condition | None], root: str = "condition"
) -> list[FieldError]:
    """Return why the condition is too expensive, if it is. It refers to no segment that refers to itself."""
    own = sum(cost_of(test) for test in filters_of(condition))
    if own > MAX_COST:
        return [FieldError(field=root, message=_message("The filters of the condition", own, MAX_COST), code="too_big")]
    total = total_cost(condition, segments)
    if total > MAX_TOTAL_COST:
        subject = "The filters of the condition and of the segments it refers to"
        return [FieldError(field=root, message=_message(subject, total, MAX_TOTAL_COST), code="too_big")]
    return []


def _message(subject: str, cost: int, limit: int) -> str:
    return (
        f"{subject} cost too much: {cost} points (limit: {limit}). Comparing a time in data costs {TIME}, searching a "
        f"text in data {TEXT_SEARCH}, comparing createdAt or updatedAt {COLUMN_TIME}, comparing data by order "
        f"{ORDERING}, anything else {LOOKUP}"
    )
