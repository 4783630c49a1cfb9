"""Evaluating one filter on one value."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.kernel.conditions.values import passes
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
        "startsWith",
        "endsWith",
        "in",
        "notIn",
        "between",
        "within",
        "olderThan",
        "exists",
    ],
)
def test_a_missing_value_matches_only_not_exists(operator: str) -> None:
    assert not verdict(operator, None, [1, 2], "days")
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


@pytest.mark.parametrize("value", [17, True, {"wor": 1}])
def test_substring_operators_match_only_text_and_lists(value: Any) -> None:
    assert not verdict("contains", value, "wor")
    assert not verdict("notContains", value, "wor")


@pytest.mark.parametrize(
    ("items", "sought", "found"),
    [
        (["red", "Blue"], "blue", True),
        (["red", "Blue"], "re", False),
        ([1, 2], 2, True),
        ([1, 2], 2.0, True),
        ([1, 2], "2", False),
        (["2"], 2, False),
        ([True], 1, False),
        ([], "red", False),
    ],
)
def test_contains_matches_an_item_of_a_list(items: Any, sought: Any, found: bool) -> None:
    assert verdict("contains", items, sought) is found
    assert verdict("notContains", items, sought) is not found


@pytest.mark.parametrize(
    ("value", "starts", "ends"),
    [("Hello World", "hello", "WORLD"), ("order 17", "order", 17), ("short", "short", "short")],
)
def test_text_starts_and_ends_with_a_text_whatever_its_case(value: Any, starts: Any, ends: Any) -> None:
    assert verdict("startsWith", value, starts)
    assert verdict("endsWith", value, ends)
    assert not verdict("startsWith", value, "x" * 20)
    assert not verdict("endsWith", [value], ends)


@pytest.mark.parametrize(
    ("value", "choices", "chosen"),
    [
        ("pro", ["free", "pro"], True),
        ("Pro", ["free", "pro"], False),
        (1, ["1", 1.0], True),
        (True, [1], False),
        ("2026-11-21T14:00:00Z", ["2026-11-20", "2026-11-21"], True),
        ("2026-11-22T00:00:00Z", ["2026-11-20", "2026-11-21"], False),
    ],
)
def test_a_value_is_one_of_those_listed(value: Any, choices: Any, chosen: bool) -> None:
    assert verdict("in", value, choices) is chosen
    assert verdict("notIn", value, choices) is not chosen


@pytest.mark.parametrize(
    ("value", "bounds", "within"),
    [
        (1, [1, 3], True),
        (3, [1, 3], True),
        (3.5, [1, 3], False),
        ("2", [1, 3], False),
        ("2026-11-22T23:59:59Z", ["2026-11-21", "2026-11-22"], True),
        ("2026-11-23T00:00:00Z", ["2026-11-21", "2026-11-22"], False),
    ],
)
def test_between_includes_both_bounds(value: Any, bounds: Any, within: bool) -> None:
    assert verdict("between", value, bounds) is within


@pytest.mark.parametrize(("span", "unit"), [(1, "weeks"), (7, "days"), (0.25, "months"), (168, "hours")])
def test_weeks_and_months_are_spans_of_7_and_30_days(span: float, unit: Any) -> None:
    assert verdict("within", "2026-11-14T13:00:00Z", span, unit)
    assert not verdict("within", "2026-11-13T11:00:00Z", span, unit)


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
        ("2026-11-21T00:00:01Z", "greaterThan", "2026-11-21", False),
        ("2026-11-22T00:00:00Z", "greaterThan", "2026-11-21", True),
        ("2026-11-21T00:00:00Z", "greaterThanOrEqual", "2026-11-21", True),
        ("2026-11-20T23:59:59Z", "greaterThanOrEqual", "2026-11-21", False),
        ("2026-11-21T14:00:00Z", "lessThanOrEqual", "2026-11-21", True),
        ("2026-11-22T00:00:00Z", "lessThanOrEqual", "2026-11-21", False),
        ("2026-11-21T14:00:00Z", "lessThan", "2026-11-21", False),
        ("9999-12-31T14:00:00Z", "lessThanOrEqual", "9999-12-31", True),
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
