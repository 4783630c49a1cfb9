"""The test of one value.

A missing value or null passes only `notExists`. A value of a different type than the filter's passes only `notEquals`.
Times are compared as instants.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

import msgspec

from libs.kernel.conditions.language import (
    EQUALITY,
    ORDER,
    PRESENCE,
    RELATIVE,
    SECONDS,
    SUBSTRING,
)
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import Filter

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "greaterThan": gt,
    "lessThan": lt,
    "greaterThanOrEqual": ge,
    "lessThanOrEqual": le,
}

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
    r"(?P<zone>Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?)?",
    re.ASCII,
)
_INDEX = re.compile(r"[ \t\n\v\f\r]*[+-]?\d+", re.ASCII)
"""The index of a list, as PostgreSQL parses it."""

_DAY = timedelta(days=1)


def passes(test: Filter, value: object, now: datetime) -> bool:
    """Return whether the value passes the test. None stands for a missing value and for null."""
    if value is None or test.operator in PRESENCE:
        return (value is None) == (test.operator == "notExists")
    if test.operator in RELATIVE:
        return _relative(test, value, now)
    if test.operator in SUBSTRING:
        return isinstance(value, str) and (search_text(test.value) in value.lower()) == (test.operator == "contains")
    if (moment := parse_instant(test.value)) is not None:
        return _compare_instants(test, value, moment)
    if test.operator in EQUALITY:
        return equal_as_json(value, test.value) == (test.operator == "equals")
    return _comparable(value, test.value) and COMPARE[test.operator](value, test.value)


def value_at(data: Data, path: str) -> object:
    """Return the value at a dotted path, such as `order.items.0.price`, or None. -1 is the last item of a list."""
    value: object = data
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and _INDEX.fullmatch(name) and -len(value) <= int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def parse_instant(text: object) -> datetime | None:
    """Parse ISO 8601: UTC if there is no offset, midnight if there is no time. Return None for anything else."""
    shape = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if not shape:
        return None
    try:
        moment = datetime.fromisoformat(shape[0])
        return (moment if shape["zone"] else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_whole_day(text: object) -> bool:
    """Return whether it is a date without a time.

    Such a date equals every moment of that day in UTC, and is ordered as its first.
    """
    return isinstance(text, str) and "T" not in text


def timespan(test: Filter) -> timedelta:
    """Return the span of a relative test."""
    assert test.unit is not None
    return timedelta(seconds=test.value * SECONDS[test.unit])


def search_text(value: object) -> str:
    """Return the value as lower-case text to search for; numbers and booleans as in JSON."""
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode()).lower()


def equal_as_json(one: object, other: object) -> bool:
    """Return whether two values are equal in JSON: true is not 1, but 1.0 is, and the order of keys is irrelevant."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return one is other
        case dict(), dict():
            return one.keys() == other.keys() and all(equal_as_json(value, other[key]) for key, value in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(equal_as_json, one, other))
        case _:
            return one == other


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _relative(test: Filter, value: object, now: datetime) -> bool:
    moment = parse_instant(value)
    if moment is None:
        return False
    ago = now - timespan(test)
    return moment < ago if test.operator == "olderThan" else ago <= moment <= now


def _compare_instants(test: Filter, value: object, bound: datetime) -> bool:
    moment = parse_instant(value)
    if test.operator in ORDER:
        return moment is not None and COMPARE[test.operator](moment, bound)
    within = _DAY if is_whole_day(test.value) else timedelta(microseconds=1)
    equal = moment is not None and timedelta(0) <= moment - bound < within
    return equal == (test.operator == "equals")


def _comparable(left: object, right: object) -> bool:
    """Return whether both are numbers or both are text."""
    return (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
