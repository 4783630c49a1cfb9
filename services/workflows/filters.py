"""One test of one value that we hold: the data of the event that started an execution. Pure.

The semantics are those of the same operators on contacts: what is missing or null matches `notExists` and nothing
else; a value of another type than the filter's matches only `notEquals`; times compare as instants.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

from libs.runtime.codec import encode
from libs.schemas.base import Data
from libs.schemas.contacts import Filter

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "greaterThan": gt,
    "lessThan": lt,
    "greaterThanOrEqual": ge,
    "lessThanOrEqual": le,
}
EQUALITY = {"equals", "notEquals"}
SUBSTRING = {"contains", "notContains"}
RELATIVE = {"within", "olderThan"}
PRESENCE = {"exists", "notExists"}
SECONDS = {"minutes": 60, "hours": 3600, "days": 86400}

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)
_DAY = timedelta(days=1)


def holds(test: Filter, value: object, now: datetime) -> bool:
    """Does the value pass the test? None stands for missing and for null."""
    if value is None or test.operator in PRESENCE:
        return (value is None) == (test.operator == "notExists")
    if test.operator in RELATIVE:
        return _relative(test, value, now)
    if test.operator in SUBSTRING:
        return isinstance(value, str) and (_text(test.value) in value.lower()) == (test.operator == "contains")
    if (moment := instant(test.value)) is not None:
        return _compare_instants(test, value, moment)
    if test.operator in EQUALITY:
        return _same(value, test.value) == (test.operator == "equals")
    return _comparable(value, test.value) and ORDER[test.operator](value, test.value)


def value_at(data: Data, path: str) -> object:
    """The value at a dotted path, such as `order.items.0.price`; None if there is none."""
    value: object = data
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def instant(text: object) -> datetime | None:
    """ISO 8601 as a moment: UTC where no offset is given, midnight where no time is. None for anything else."""
    shape = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if not shape:
        return None
    try:
        moment = datetime.fromisoformat(shape[0])
        return (moment if shape["zone"] else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _relative(test: Filter, value: object, now: datetime) -> bool:
    moment = instant(value)
    if moment is None or test.unit is None:
        return False
    ago = now - timedelta(seconds=test.value * SECONDS[test.unit])
    return moment < ago if test.operator == "olderThan" else ago <= moment <= now


def _compare_instants(test: Filter, value: object, bound: datetime) -> bool:
    """A date without a time equals every moment of that day in UTC; in order it stands for its first."""
    moment = instant(value)
    if test.operator in ORDER:
        return moment is not None and ORDER[test.operator](moment, bound)
    whole_day = "T" not in test.value
    equal = moment is not None and (bound <= moment < bound + _DAY if whole_day else moment == bound)
    return equal == (test.operator == "equals")


def _text(value: object) -> str:
    return (value if isinstance(value, str) else encode(value).decode()).lower()


def _comparable(left: object, right: object) -> bool:
    """Numbers with numbers, and text with text."""
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    return (isinstance(left, int | float) and isinstance(right, int | float)) or (
        isinstance(left, str) and isinstance(right, str)
    )


def _same(left: object, right: object) -> bool:
    """Equal as JSON values: 1 is 1.0 but not true."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right
