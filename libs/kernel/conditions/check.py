"""Validation of conditions: every flaw with its path."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from libs.kernel.conditions.language import (
    AFFIX,
    CHOICE,
    MAX_CHOICES,
    MAX_DEPTH,
    MAX_FILTERS,
    MAX_SPAN_SECONDS,
    NEED_UNIT,
    NEED_VALUE,
    OPERATORS,
    ORDER,
    RANGE,
    SECONDS,
    SUBSTRING,
    Field,
    field_of,
)
from libs.kernel.conditions.values import is_number, parse_instant, parts_of
from libs.schemas.base import FieldError
from libs.schemas.contacts.contacts import Condition, Filter, Group

Fields: TypeAlias = Callable[[str], Field | None]
"""Resolves the name of a field; None if there is no such field."""

Flaw: TypeAlias = tuple[str, str, str]
"""The invalid member of a filter, the message and the error code."""


def flaws(condition: Condition, root: str = "condition", fields: Fields = field_of) -> list[FieldError]:
    """Return every reason why the condition cannot be evaluated.

    Paths begin at `root`, such as `condition.groups.0.filters.1.operator`. Too many filters are one flaw of the whole.
    """
    if sum(1 for _ in filters_of(condition)) > MAX_FILTERS:
        return [FieldError(field=root, message=f"Condition must have at most {MAX_FILTERS} filters", code="too_big")]
    return list(_flaws(condition, root, fields, 1))


def flaws_of_filter(test: Filter, path: str, fields: Fields = field_of) -> list[FieldError]:
    """Return the first flaw of the filter, if it has one."""
    flaw = _flaw_of(test, fields(test.field))
    if flaw is None:
        return []
    part, message, code = flaw
    return [FieldError(field=join(path, part), message=message, code=code)]


def filters_of(condition: Condition) -> Iterator[Filter]:
    """Yield every filter of the condition and of its nested conditions."""
    pending = [condition]
    while pending:
        for group in pending.pop().groups:
            yield from group.filters
            if group.conditions:
                pending.append(group.conditions)


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _flaws(condition: Condition, path: str, fields: Fields, depth: int) -> Iterator[FieldError]:
    if depth > MAX_DEPTH:
        message = f"Conditions must not be nested deeper than {MAX_DEPTH} levels"
        yield FieldError(field=path, message=message, code="too_big")
        return
    groups = join(path, "groups")
    if not condition.groups:
        yield FieldError(field=groups, message="Condition must have at least one group", code="too_small")
    for number, group in enumerate(condition.groups):
        yield from _flaws_of_group(group, f"{groups}.{number}", fields, depth)


def _flaws_of_group(group: Group, path: str, fields: Fields, depth: int) -> Iterator[FieldError]:
    if not group.filters and group.conditions is None:
        message = "Group must have at least one filter or nested condition"
        yield FieldError(field=path, message=message, code="too_small")
    for number, test in enumerate(group.filters):
        yield from flaws_of_filter(test, f"{path}.filters.{number}", fields)
    if group.conditions:
        yield from _flaws(group.conditions, f"{path}.conditions", fields, depth + 1)


def _flaw_of(test: Filter, field: Field | None) -> Flaw | None:
    operator = test.operator
    if field is None:
        return "field", f"Unsupported filter field: {test.field}", "custom"
    if operator not in OPERATORS:
        return "operator", f"Invalid operator: {operator}", "invalid_enum_value"
    if operator not in field.operators:
        return "operator", f'Operator "{operator}" cannot be used on {test.field}', "custom"
    if operator not in NEED_VALUE:
        return None
    if test.value is None:
        return "value", f'Operator "{operator}" requires a value', "required"
    if operator in NEED_UNIT:
        return _flaw_of_span(test)
    return _flaw_of_list(test, field) if operator in CHOICE | RANGE else _flaw_of_value(test, field)


def _flaw_of_span(test: Filter) -> Flaw | None:
    if test.unit is None:
        return (
            "unit",
            f'"{test.operator}" operator requires a unit (months, weeks, days, hours, or minutes)',
            "required",
        )
    if not is_number(test.value):
        return "value", f'Operator "{test.operator}" requires a number', "invalid_type"
    if not 0 < test.value * SECONDS[test.unit] <= MAX_SPAN_SECONDS:
        return "value", f'Operator "{test.operator}" requires a span of more than 0 and at most 100 years', "custom"
    return None


def _flaw_of_list(test: Filter, field: Field) -> Flaw | None:
    values, operator = test.value, test.operator
    if operator in RANGE and not (isinstance(values, list) and len(values) == 2):
        return (
            "value",
            f'Operator "{operator}" requires a list of two values: the lowest and the highest',
            "invalid_type",
        )
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_CHOICES:
        return "value", f'Operator "{operator}" requires a list of 1 to {MAX_CHOICES} values', "invalid_type"
    for number, (value, part) in enumerate(zip(values, parts_of(test), strict=True)):
        if value is None or isinstance(value, dict | list):
            return f"value.{number}", f'Operator "{operator}" requires text, numbers or booleans', "invalid_type"
        if flaw := _flaw_of_value(part, field):
            return f"value.{number}", *flaw[1:]
    return _flaw_of_range(test) if operator in RANGE else None


def _flaw_of_range(test: Filter) -> Flaw | None:
    low, high = test.value
    if (parse_instant(low) is None) != (parse_instant(high) is None) or is_number(low) != is_number(high):
        message = f'Operator "{test.operator}" requires two numbers, two dates or two texts'
        return "value", message, "invalid_type"
    return None


def _flaw_of_value(test: Filter, field: Field) -> Flaw | None:
    value, operator = test.value, test.operator
    match field.scope:
        case "email" if not isinstance(value, str) or not value.strip():
            return "value", "email must be compared with text", "invalid_type"
        case "subscribed" if not isinstance(value, bool):
            return "value", "subscribed must be compared with true or false", "invalid_type"
        case "createdAt" | "updatedAt" if parse_instant(value) is None:
            return "value", f"{test.field} must be compared with a date (ISO 8601)", "invalid_date"
        case "data" if operator in SUBSTRING | AFFIX and (isinstance(value, dict | list) or value == ""):
            return "value", f'Operator "{operator}" requires text', "invalid_type"
        case "data" if operator in ORDER and not (isinstance(value, str) or is_number(value)):
            return "value", f'Operator "{operator}" requires a number, a date or text', "invalid_type"
    return None
