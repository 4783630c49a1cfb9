"""What a condition costs, and which are refused."""

from itertools import pairwise
from uuid import UUID

import pytest

from libs.kernel.conditions.cost import MAX_COST, MAX_TOTAL_COST, cost_flaws, cost_of, total_cost
from libs.schemas.contacts.contacts import Condition, Filter, Group

A, B = UUID(int=1), UUID(int=2)


def of(*filters: Filter) -> Condition:
    return Condition(logic="AND", groups=[Group(filters=list(filters))])


def where(field: str, operator: str, value: object = None) -> Filter:
    return Filter(field=field, operator=operator, value=value)


def member(segment: UUID) -> Filter:
    return where(f"segment.{segment}", "memberOfSegment")


@pytest.mark.parametrize(
    ("test", "cost"),
    [
        (where("email", "contains", "ann"), 1),
        (where("data.plan", "equals", "pro"), 1),
        (where("data.plan", "exists"), 1),
        (where("event.bought", "triggered"), 1),
        (where("data.seats", "greaterThan", 3), 3),
        (where("data.name", "contains", "ann"), 6),
        (where("createdAt", "lessThan", "2026-01-01"), 6),
        (where("data.birthday", "lessThan", "2026-01-01"), 12),
        (Filter(field="data.birthday", operator="within", value=3, unit="days"), 12),
        (where("nothing", "equals", 1), 1),
    ],
)
def test_a_filter_costs_what_its_test_takes(test: Filter, cost: int) -> None:
    assert cost_of(test) == cost


def test_fifty_cheap_filters_are_allowed_and_as_many_text_searches_are_not() -> None:
    cheap, search = where("data.plan", "equals", "pro"), where("data.name", "contains", "ann")
    assert cost_flaws(of(*[cheap] * 50), {}) == []
    assert cost_flaws(of(*[search] * (MAX_COST // 6)), {}) == []
    [flaw] = cost_flaws(of(*[search] * 50), {}, "audienceCondition")
    assert flaw.field == "audienceCondition"
    assert flaw.code == "too_big"
    assert "300 points (limit: 120)" in flaw.message


def test_the_segments_that_a_condition_refers_to_count_as_often_as_it_refers_to_them() -> None:
    search = where("data.name", "contains", "ann")
    segments = {A: of(*[search] * 20), B: of(member(A), member(A))}
    assert total_cost(of(member(B)), segments) == 2 * (120 + 1) + 1
    assert cost_flaws(of(member(B)), segments) == []
    [flaw] = cost_flaws(of(member(B), member(B), member(B)), segments)
    assert f"(limit: {MAX_TOTAL_COST})" in flaw.message


def test_a_static_or_unknown_segment_costs_a_lookup() -> None:
    assert total_cost(of(member(A), member(B)), {A: None}) == 2


def test_long_chains_of_segments_are_counted_in_linear_time() -> None:
    chain = [UUID(int=number) for number in range(1, 101)]
    segments = {each: of(member(next_one), member(next_one)) for each, next_one in pairwise(chain)}
    assert total_cost(of(member(chain[0])), segments) > 2**90
