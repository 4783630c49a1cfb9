"""Compiling conditions: errors with their paths, and SQL that contains no value of the caller's."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.conditions.language import MAX_DEPTH, MAX_FILTERS
from libs.kernel.conditions.values import parse_instant
from libs.kernel.rejection import Rejected
from libs.schemas.contacts.contacts import Condition, Filter, Group
from services.contacts.segments.condition import (
    SegmentConditions,
    compile_condition,
    referenced_segments,
    topics,
)


def where(field: str, operator: str, value: Any = None, unit: Any = None) -> Filter:
    return Filter(field=field, operator=operator, value=value, unit=unit)


def of(*filters: Filter) -> Condition:
    return Condition(logic="AND", groups=[Group(filters=list(filters))])


A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)
PRO = where("data.plan", "equals", "pro")


def nested(depth: int) -> Condition:
    inner = nested(depth - 1) if depth > 1 else None
    return Condition(logic="OR", groups=[Group(filters=[PRO], conditions=inner)])


def errors_of(condition: Condition) -> list[tuple[str, str]]:
    with pytest.raises(Rejected) as rejection:
        compile_condition(condition)
    assert rejection.value.code == "VALIDATION_ERROR"
    return [(error.field, error.message) for error in rejection.value.errors]


def test_a_condition_becomes_one_predicate_whose_arguments_follow_those_of_the_statement() -> None:
    two = Condition(logic="OR", groups=[Group(filters=[PRO]), Group(filters=[where("subscribed", "equals", True)])])
    predicate = compile_condition(two, after=3)
    assert predicate.sql == "((data @> $4::jsonb) or (subscribed = $5::boolean))"
    assert predicate.args == ['{"plan":"pro"}', True]


def test_filters_of_a_group_and_its_nested_condition_must_all_hold() -> None:
    predicate = compile_condition(nested(2))
    assert " and (" in predicate.sql and predicate.args == ['{"plan":"pro"}'] * 2


@pytest.mark.parametrize(
    ("bad", "part", "message"),
    [
        (where("plan", "equals", "pro"), "field", "Unsupported filter field: plan"),
        (where("data.", "equals", "pro"), "field", "Unsupported filter field: data."),
        (where("data.a..b", "equals", "pro"), "field", "Unsupported filter field: data.a..b"),
        (where("event.", "triggered"), "field", "Unsupported filter field: event."),
        (where("email.read", "triggered"), "field", "Unsupported filter field: email.read"),
        (where("email.opened", "equals", 1), "operator", 'Operator "equals" cannot be used on email.opened'),
        (where(f"segment.{A}", "equals", 1), "operator", f'Operator "equals" cannot be used on segment.{A}'),
        (where("email", "contains", "  "), "value", "email must be compared with text"),
        (where("segment.x", "memberOfSegment"), "field", "Unsupported filter field: segment.x"),
        (where("data.plan", "like", "pro"), "operator", "Invalid operator: like"),
        (where("email", "exists"), "operator", 'Operator "exists" cannot be used on email'),
        (where("subscribed", "contains", "t"), "operator", 'Operator "contains" cannot be used on subscribed'),
        (where("event.signup", "equals", 1), "operator", 'Operator "equals" cannot be used on event.signup'),
        (where("data.plan", "equals"), "value", 'Operator "equals" requires a value'),
        (where("data.at", "within", None, "days"), "value", 'Operator "within" requires a value'),
        (
            where("data.at", "within", 3),
            "unit",
            '"within" operator requires a unit (months, weeks, days, hours, or minutes)',
        ),
        (where("data.at", "within", "3", "days"), "value", 'Operator "within" requires a number'),
        (where("data.at", "within", True, "days"), "value", 'Operator "within" requires a number'),
        (where("data.at", "olderThan", 0, "days"), "value", 'Operator "olderThan" requires a span of more than 0'),
        (
            where("event.a", "triggeredWithin", 1e18, "days"),
            "value",
            'Operator "triggeredWithin" requires a span of more than 0',
        ),
        (where("email", "equals", 5), "value", "email must be compared with text"),
        (where("subscribed", "equals", "true"), "value", "subscribed must be compared with true or false"),
        (where("createdAt", "lessThan", "yesterday"), "value", "createdAt must be compared with a date (ISO 8601)"),
        (where("createdAt", "lessThan", 5), "value", "createdAt must be compared with a date (ISO 8601)"),
        (where("data.n", "lessThan", True), "value", 'Operator "lessThan" requires a number, a date or text'),
        (where("data.n", "contains", ["a"]), "value", 'Operator "contains" requires text'),
        (where("data.n", "startsWith", ""), "value", 'Operator "startsWith" requires text'),
        (where("data.n", "in", "a"), "value", 'Operator "in" requires a list of 1 to 100 values'),
        (where("data.n", "notIn", []), "value", 'Operator "notIn" requires a list of 1 to 100 values'),
        (where("data.n", "in", ["a"] * 101), "value", 'Operator "in" requires a list of 1 to 100 values'),
        (where("data.n", "in", ["a", None]), "value.1", 'Operator "in" requires text, numbers or booleans'),
        (where("email", "in", ["a@b.com", 5]), "value.1", "email must be compared with text"),
        (where("createdAt", "between", ["2026-01-01", "soon"]), "value.1", "createdAt must be compared with a date"),
        (where("data.n", "between", [1]), "value", 'Operator "between" requires a list of two values'),
        (where("data.n", "between", [1, "a"]), "value", 'Operator "between" requires two numbers, two dates or two'),
        (where("subscribed", "in", [True]), "operator", 'Operator "in" cannot be used on subscribed'),
    ],
)
def test_an_error_names_the_invalid_part_of_the_filter(bad: Filter, part: str, message: str) -> None:
    ((field, said),) = errors_of(of(PRO, bad))
    assert field == f"condition.groups.0.filters.1.{part}" and said.startswith(message)


def test_all_errors_are_reported_at_once_at_any_depth() -> None:
    inner = Condition(logic="AND", groups=[Group(filters=[where("x", "equals", 1)])])
    condition = Condition(logic="OR", groups=[Group(), Group(filters=[PRO], conditions=inner)])
    assert [field for field, _ in errors_of(condition)] == [
        "condition.groups.0",
        "condition.groups.1.conditions.groups.0.filters.0.field",
    ]


def test_the_path_can_start_at_a_name_of_the_caller() -> None:
    with pytest.raises(Rejected) as rejection:
        compile_condition(Condition(logic="AND", groups=[]), root="audienceCondition")
    assert rejection.value.errors[0].field == "audienceCondition.groups"


def test_depth_and_number_of_filters_are_limited() -> None:
    compile_condition(nested(MAX_DEPTH))
    assert errors_of(nested(MAX_DEPTH + 1))[0][1] == "Conditions must not be nested deeper than 5 levels"
    compile_condition(of(*[PRO] * MAX_FILTERS))
    assert errors_of(of(*[PRO] * (MAX_FILTERS + 1))) == [("condition", "Condition must have at most 50 filters")]


def member(segment: UUID) -> Filter:
    return where(f"segment.{segment}", "memberOfSegment")


def test_another_segment_is_replaced_by_its_condition_and_a_list_is_joined() -> None:
    predicate = compile_condition(of(member(A), where(f"segment.{B}", "notMemberOfSegment")), {A: of(PRO), B: None})
    assert predicate.sql == "((((data @> $1::jsonb)) and (joined_2.contact_id is not null) is not true))"
    assert predicate.joins.strip().startswith("left join segment_list as joined_2\n")
    assert predicate.args == ['{"plan":"pro"}', B]


def test_several_filters_on_the_same_counter_share_a_join() -> None:
    about_one = of(where("event.a", "triggered"), where("event.a", "triggeredOlderThan", 2, "days"))
    assert compile_condition(about_one).joins.count("left join") == 1
    about_two = of(where("event.opened", "triggered"), where("email.opened", "triggered"))
    assert compile_condition(about_two).joins.count("left join") == 2


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ({}, f"Referenced segment not found: {B}"),
        ({B: of(member(A))}, "Circular segment reference detected"),
        ({B: of(member(C)), C: of(member(B))}, "Circular segment reference detected"),
        ({B: of(member(C))}, f"Referenced segment not found: {C}"),
        ({B: of(*[member(C)] * 50), C: of(*[PRO] * 50)}, "The condition and the segments it refers to must have"),
    ],
)
def test_missing_and_circular_references_are_rejected(segments: SegmentConditions, message: str) -> None:
    with pytest.raises(Rejected) as rejection:
        compile_condition(of(PRO, member(B)), segments, own_id=A)
    assert {error.field for error in rejection.value.errors} == {"condition.groups.0.filters.1.field"}
    assert rejection.value.message.startswith(message)


def test_a_segment_cannot_reference_itself() -> None:
    with pytest.raises(Rejected, match="A segment cannot reference itself"):
        compile_condition(of(member(A)), {A: of(member(A))}, own_id=A)


def test_topics_and_references_of_a_condition() -> None:
    condition = Condition(
        logic="OR",
        groups=[
            Group(filters=[PRO, where("event.a.b", "triggered")], conditions=of(where("email.open", "notTriggered"))),
            Group(filters=[member(A), where("email", "contains", "x")]),
        ],
    )
    assert topics(condition) == {"event.a.b", "activity.opened"} and referenced_segments(condition) == {A}


def test_only_conditions_on_time_have_turning_points() -> None:
    on_time = of(where("createdAt", "within", 1, "days"), where("event.a", "triggeredOlderThan", 2, "hours"))
    assert [point.split("(")[0] for point in compile_condition(on_time).turning_points] == ["next_turn"] * 2
    assert (
        compile_condition(
            of(PRO, where("createdAt", "lessThan", "2026-01-01"), where("event.a", "triggered"))
        ).turning_points
        == []
    )


@pytest.mark.parametrize(
    "bad",
    [
        where("data.a\0b", "exists"),
        where("event.a\0b", "triggered"),
        where("data.a", "equals", "x\0"),
        where("data.a", "equals", {"b": ["\0"]}),
        where("data.a", "equals", 1e300),
        where("data.a", "equals", "x" * 70_000),
    ],
)
def test_values_that_postgres_or_the_bus_cannot_carry_are_rejected(bad: Filter) -> None:
    assert errors_of(of(bad))[0][0] == "condition"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-06", datetime(2026, 5, 6, tzinfo=UTC)),
        ("2026-05-06T10:20", datetime(2026, 5, 6, 10, 20, tzinfo=UTC)),
        ("2026-05-06T10:20:30Z", datetime(2026, 5, 6, 10, 20, 30, tzinfo=UTC)),
        ("2026-05-06T10:20:30.123+02:00", datetime(2026, 5, 6, 8, 20, 30, 123000, tzinfo=UTC)),
        ("2026-05-06T23:00-0200", datetime(2026, 5, 7, 1, tzinfo=UTC)),
    ],
)
def test_dates_with_any_offset_are_instants(text: str, moment: datetime) -> None:
    assert parse_instant(text) == moment


@pytest.mark.parametrize("text", ["", "now", "infinity", "2026-13-01", "6.5.2026", "0001-01-01T00:00+14:00", 5, None])
def test_anything_else_is_not_a_date(text: object) -> None:
    assert parse_instant(text) is None


@given(
    name=st.text("'\"; -$}{\\%abc,", min_size=1, max_size=30),
    value=st.text("'\"; -$}{\\%abc,\u2028", min_size=1, max_size=30),
)
def test_names_and_values_are_bound_and_never_written_into_the_sql(name: str, value: str) -> None:
    marked, sought = f"secret{name}", f"hidden{value}"
    predicate = compile_condition(
        of(
            where(f"data.{marked}", "equals", sought),
            where(f"event.{marked}", "triggered"),
            where("email", "contains", sought),
            where(f"data.{marked}", "greaterThan", sought),
            where(f"data.{marked}", "notContains", sought),
        )
    )
    written = predicate.sql + predicate.joins
    assert "secret" not in written and "hidden" not in written
    assert len(predicate.args) == 7
