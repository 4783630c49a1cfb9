"""Evaluating one filter on one value."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.kernel.conditions.values import passes, value_at
from libs.schemas.contacts.contacts import Filter

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def verdict(operator: str, value: Any, expected: Any = None, unit: Any = None) -> bool:
    return passes(Filter(field="event.x", operator=operator, value=expected, unit=unit), value, NOW)


@pytest.mark.parametrize(
    "operator",
    [
        "equals",
        "notEquals",
        "contains",
        "notContains",
        "greaterThan",
        "lessThan",
        "greaterThanOrEqual",
        "lessThanOrEqual",
        "within",
        "olderThan",
        "exists",
    ],
)
def test_a_missing_value_matches_only_not_exists(operator: str) -> None:
    assert not verdict(operator, None, 1, "days")
    assert verdict("notExists", None)


@pytest.mark.parametrize("value", ["", 0, False, [], {}, "text"])
def test_everything_else_exists(value: Any) -> None:
    assert verdict("exists", value)
    assert not verdict("notExists", value)


@pytest.mark.parametrize(
    ("value", "expected", "equal"),
    [
        ("pro", "pro", True),
        ("pro", "Pro", False),
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (True, True, True),
        ([1, "a"], [1, "a"], True),
        ([1], [True], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ("2026-11-21", "2026-11-21", True),
        ("2026-11-21T23:59:59Z", "2026-11-21", True),
        ("2026-11-22T00:30:00+02:00", "2026-11-21", True),
        ("2026-11-22T00:00:00Z", "2026-11-21", False),
        ("2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00Z", True),
        ("2026-11-21T10:00:00Z", "2026-11-21T08:00:00Z", False),
        ("soon", "2026-11-21", False),
    ],
)
def test_equality_is_strict_about_types_and_compares_instants(value: Any, expected: Any, equal: bool) -> None:
    assert verdict("equals", value, expected) is equal
    assert verdict("notEquals", value, expected) is not equal


@pytest.mark.parametrize(
    ("value", "sought", "found"),
    [("Hello World", "wor", True), ("Hello", "x", False), ("order 17", 17, True), ("is true", True, True)],
)
def test_substrings_ignore_case(value: str, sought: Any, found: bool) -> None:
    assert verdict("contains", value, sought) is found
    assert verdict("notContains", value, sought) is not found


@pytest.mark.parametrize("value", [17, True, ["wor"], {"wor": 1}])
def test_substring_operators_match_only_text(value: Any) -> None:
    assert not verdict("contains", value, "wor")
    assert not verdict("notContains", value, "wor")


@pytest.mark.parametrize(
    ("value", "operator", "bound", "answer"),
    [
        (2, "greaterThan", 1, True),
        (1, "greaterThan", 1, False),
        (1, "greaterThanOrEqual", 1, True),
        (0.5, "lessThan", 1, True),
        (1, "lessThanOrEqual", 1, True),
        (10**30, "greaterThan", 1e9, True),
        ("b", "greaterThan", "a", True),
        ("2", "greaterThan", 1, False),
        (True, "greaterThan", 0, False),
        (2, "greaterThan", True, False),
        ("2026-11-21T09:00:00+02:00", "lessThan", "2026-11-21T08:00:00Z", True),
        ("2026-11-21T00:00:01Z", "greaterThan", "2026-11-21", True),
        ("yesterday", "lessThan", "2026-11-21", False),
    ],
)
def test_order_compares_like_with_like(value: Any, operator: str, bound: Any, answer: bool) -> None:
    assert verdict(operator, value, bound) is answer


@pytest.mark.parametrize(
    ("value", "within", "older"),
    [
        ("2026-11-20T12:00:00Z", True, False),
        ("2026-11-20T11:59:59Z", False, True),
        ("2026-11-21T12:00:00Z", True, False),
        ("2026-11-21T12:00:01Z", False, False),
        ("2026-11-21T13:30:00+02:00", True, False),
        ("someday", False, False),
        (1700000000, False, False),
    ],
)
def test_within_is_between_the_start_of_the_span_and_now(value: Any, within: bool, older: bool) -> None:
    assert verdict("within", value, 1, "days") is within
    assert verdict("olderThan", value, 24, "hours") is older


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("order.total", 5),
        ("order.items.0.price", 2),
        ("order.items.9.price", None),
        ("order.items.-1.price", 2),
        ("order.items.x", None),
        ("order", {"total": 5, "items": [{"price": 2}]}),
        ("nothing.at.all", None),
        ("order.total.x", None),
    ],
)
def test_paths_lead_into_objects_and_lists(path: str, value: Any) -> None:
    assert value_at({"order": {"total": 5, "items": [{"price": 2}]}}, path) == value
