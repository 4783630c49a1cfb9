"""The test of one value.

A missing value or null passes only `notExists`. A value of a different type than the filter's passes only `notEquals`
and `notIn`. Times are compared as instants, and a date without a time is the whole of that day in UTC.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

import msgspec
from msgspec.structs import replace

from libs.kernel.conditions.language import (
    AFFIX,
    CHOICE,
    EQUALITY,
    PRESENCE,
    RANGE,
    RELATIVE,
    SECONDS,
    SUBSTRING,
)
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
_DAY, _MICROSECOND, _NOTHING = timedelta(days=1), timedelta(microseconds=1), timedelta(0)


def passes(test: Filter, value: object, now: datetime) -> bool:
    """Return whether the value passes the test. None stands for a missing value and for null."""
    if value is None or test.operator in PRESENCE:
        return (value is None) == (test.operator == "notExists")
    if test.operator in RELATIVE:
        return _relative(test, value, now)
    if test.operator in SUBSTRING:
        return _searched(test, value)
    if test.operator in AFFIX:
        return isinstance(value, str) and _has_affix(test, value.lower())
    if test.operator in CHOICE or test.operator in RANGE:
        return _passes_parts(test, value, now)
    if (moment := parse_instant(test.value)) is not None:
        return _compare_instants(test, value, moment)
    if test.operator in EQUALITY:
        return equal_as_json(value, test.value) == (test.operator == "equals")
    return _comparable(value, test.value) and COMPARE[test.operator](value, test.value)


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
    """Return whether it is a date without a time, which stands for the whole of that day in UTC."""
    return isinstance(text, str) and "T" not in text


def timespan(test: Filter) -> timedelta:
    """Return the span of a relative test."""
    assert test.unit is not None
    return timedelta(seconds=test.value * SECONDS[test.unit])


def parts_of(test: Filter) -> list[Filter]:
    """Return the filters that one with a list of values stands for.

    Of `in`, any of them must pass; of `notIn` and `between`, all.
    """
    if test.operator in RANGE:
        operators = ["greaterThanOrEqual", "lessThanOrEqual"]
    else:
        operators = ["equals" if test.operator == "in" else "notEquals"] * len(test.value)
    pairs = zip(operators, test.value, strict=True)
    return [replace(test, operator=operator, value=value) for operator, value in pairs]


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


def _searched(test: Filter, value: object) -> bool:
    """Return whether a text contains the sought text, or a list has it as an item. Other values pass neither test."""
    if isinstance(value, str):
        found = search_text(test.value) in value.lower()
    elif isinstance(value, list):
        found = any(_is_item(test.value, each) for each in value)
    else:
        return False
    return found == (test.operator == "contains")


def _is_item(sought: object, item: object) -> bool:
    if isinstance(sought, str):
        return isinstance(item, str) and item.lower() == sought.lower()
    return equal_as_json(sought, item)


def _has_affix(test: Filter, text: str) -> bool:
    affix = search_text(test.value)
    return text.startswith(affix) if test.operator == "startsWith" else text.endswith(affix)


def _passes_parts(test: Filter, value: object, now: datetime) -> bool:
    verdicts = (passes(each, value, now) for each in parts_of(test))
    return any(verdicts) if test.operator == "in" else all(verdicts)


def _compare_instants(test: Filter, value: object, bound: datetime) -> bool:
    """Compare a moment with the whole day or the microsecond that begins at `bound`."""
    moment = parse_instant(value)
    if moment is None:
        return test.operator == "notEquals"
    since, span = moment - bound, _DAY if is_whole_day(test.value) else _MICROSECOND
    match test.operator:
        case "greaterThan":
            return since >= span
        case "greaterThanOrEqual":
            return since >= _NOTHING
        case "lessThan":
            return since < _NOTHING
        case "lessThanOrEqual":
            return since < span
        case _:
            return (_NOTHING <= since < span) == (test.operator == "equals")


def _comparable(left: object, right: object) -> bool:
    """Return whether both are numbers or both are text."""
    return (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str))
