"""A plain reading of conditions, contact by contact: what the SQL of the service is compared with."""

import operator
import re
from datetime import datetime, timedelta
from typing import Any

import msgspec

from libs.schemas.base import Data
from libs.schemas.contacts import Condition, Filter, Group
from services.contacts.data import same
from services.contacts.filters import instant

ORDERS = {
    "greaterThan": operator.gt,
    "greaterThanOrEqual": operator.ge,
    "lessThan": operator.lt,
    "lessThanOrEqual": operator.le,
}
UNIT = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A contact, and when each thing last happened to it."""

    email: str
    subscribed: bool
    data: Data
    created_at: datetime
    updated_at: datetime
    events: dict[str, datetime]


def holds(condition: Condition, person: Person, now: datetime) -> bool:
    groups = [_group(group, person, now) for group in condition.groups]
    return all(groups) if condition.logic == "AND" else any(groups)


def _group(group: Group, person: Person, now: datetime) -> bool:
    inner = group.conditions is None or holds(group.conditions, person, now)
    return inner and all(_filter(test, person, now) for test in group.filters)


def _filter(test: Filter, person: Person, now: datetime) -> bool:
    scope, _, name = test.field.partition(".")
    if scope == "event":
        return _happened(test, person.events.get(name), now)
    if scope == "data":
        value = _at(person.data, name.split("."))
        return _value(test, value, instant(value), now)
    if scope in ("createdAt", "updatedAt"):
        moment = person.created_at if scope == "createdAt" else person.updated_at
        shown = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return _value(test, shown.isoformat(), shown, now)
    if scope == "email":
        test = msgspec.structs.replace(test, value=test.value.strip().lower())
    return _value(test, getattr(person, scope), None, now)


def _value(test: Filter, value: Any, moment: datetime | None, now: datetime) -> bool:
    if value is None or test.operator == "exists":
        return (value is None) is (test.operator == "notExists")
    match test.operator:
        case "within":
            return moment is not None and now - _span(test) <= moment <= now
        case "olderThan":
            return moment is not None and moment < now - _span(test)
        case "equals":
            return _equal(test, value, moment)
        case "notEquals":
            return not _equal(test, value, moment)
        case "contains":
            return isinstance(value, str) and _text(test.value) in value.lower()
        case "notContains":
            return isinstance(value, str) and _text(test.value) not in value.lower()
        case "notExists":
            return False
        case order:
            return _in_order(order, *_comparable(value, moment, test.value))


def _equal(test: Filter, value: Any, moment: datetime | None) -> bool:
    sought = instant(test.value)
    if sought is None:
        return same(value, test.value)
    if moment is None:
        return False
    whole_day = len(test.value) == len("2026-05-06")
    return moment.date() == sought.date() if whole_day else moment == sought


def _comparable(value: Any, moment: datetime | None, sought: Any) -> tuple[Any, Any]:
    """Both as moments, or both as numbers, or both as text; two Nones if they cannot be compared."""
    if (bound := instant(sought)) is not None:
        return (moment, bound) if moment else (None, None)
    if isinstance(sought, str):
        return (value, sought) if isinstance(value, str) else (None, None)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return (value, sought) if numeric else (None, None)


def _in_order(order: str, value: Any, sought: Any) -> bool:
    if value is None:
        return False
    return bool(ORDERS[order](value, sought))


def _happened(test: Filter, last: datetime | None, now: datetime) -> bool:
    match test.operator:
        case "triggered":
            return last is not None
        case "notTriggered":
            return last is None
        case "triggeredWithin":
            return last is not None and last >= now - _span(test)
        case "notTriggeredWithin":
            return last is None or last < now - _span(test)
        case _:
            return last is not None and last < now - _span(test)


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and re.fullmatch(r"-?\d+", step):
            value = value[int(step)] if -len(value) <= int(step) < len(value) else None
        else:
            return None
    return value


def _text(value: Any) -> str:
    return value.lower() if isinstance(value, str) else msgspec.json.encode(value).decode()


def _span(test: Filter) -> timedelta:
    assert test.unit
    return UNIT[test.unit] * float(test.value)
