"""The question of a CONDITION step: its forms, what is wrong with it, and who judges which part of it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from libs.schemas.contacts.contacts import Condition, Filter, Group
from services.workflows.steps.condition import (
    flaws,
    narrowed,
    outcome,
    question_of,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRO = {"field": "data.plan", "operator": "equals", "value": "pro"}
BIG = {"field": "event.total", "operator": "greaterThan", "value": 100}


def condition(logic: str, *groups: Any) -> Condition:
    return msgspec.convert({"logic": logic, "groups": groups}, Condition)


def group(*filters: Any, **nested: Any) -> dict[str, Any]:
    return {"filters": list(filters), **nested}


def flaw_paths(config: dict[str, Any]) -> list[str]:
    return [flaw.field for flaw in flaws(question_of(config))]


# --- forms ---


def test_the_short_form_asks_yes_or_no() -> None:
    question = question_of(PRO)
    assert [case.branch for case in question.cases] == ["yes"]
    assert question.otherwise == "no"
    assert question.cases[0].condition == condition("AND", group(PRO))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_segment_condition_asks_yes_or_no(wrapped: bool) -> None:
    written = {"logic": "OR", "groups": [group(PRO), group(BIG)]}
    question = question_of({"condition": written} if wrapped else written)
    assert question.branches == {"yes", "no"}
    assert question.cases[0].condition == condition("OR", group(PRO), group(BIG))


def test_the_multi_form_asks_branch_by_branch() -> None:
    branches = [
        {"id": "a", "name": "Pro", "operator": "equals", "value": "pro"},
        {"id": "b", "operator": "exists"},
    ]
    question = question_of({"mode": "multi", "field": "data.plan", "branches": branches})
    assert [case.branch for case in question.cases] == ["a", "b"]
    assert question.otherwise == "default"
    assert question.cases[1].condition.groups[0].filters == [Filter(field="data.plan", operator="exists")]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"field": "data.plan"},
        {"operator": "equals", "value": 1},
        {"field": 1, "operator": "equals"},
        {"logic": "XOR", "groups": []},
        {"logic": "AND", "groups": "all"},
        {"mode": "multi", "field": "data.plan", "branches": []},
        {"mode": "multi", "field": "data.plan", "branches": [{"id": "", "operator": "exists"}]},
        {"mode": "multi", "field": "data.plan", "branches": [{"id": str(n), "operator": "exists"} for n in range(21)]},
    ],
)
def test_what_has_none_of_the_forms_is_no_question(config: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        question_of(config)


# --- flaws ---


@pytest.mark.parametrize(
    "config",
    [
        PRO,
        BIG,
        {"field": "contact.email", "operator": "contains", "value": "@example.com"},
        {"field": "contact.data.plan", "operator": "exists"},
        {"field": "subscribed", "operator": "equals", "value": False},
        {"field": "createdAt", "operator": "within", "value": 0.5, "unit": "days"},
        {"field": "event.signed_up", "operator": "notTriggered"},
        {"field": "workflow.total", "operator": "lessThan", "value": 3},
        {"logic": "AND", "groups": [{"conditions": {"logic": "OR", "groups": [group(PRO)]}}]},
    ],
)
def test_an_answerable_question_has_no_flaws(config: dict[str, Any]) -> None:
    assert flaw_paths(config) == []


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"field": "plan", "operator": "exists"}, "field"),
        ({"field": "data.", "operator": "exists"}, "field"),
        ({"field": "data.plan", "operator": "resembles", "value": 1}, "operator"),
        ({"field": "subscribed", "operator": "contains", "value": "t"}, "operator"),
        ({"field": "workflow.total", "operator": "triggered"}, "operator"),
        ({"field": "data.plan", "operator": "equals"}, "value"),
        ({"field": "data.at", "operator": "within", "value": 3}, "unit"),
        ({"field": "data.at", "operator": "within", "value": 0, "unit": "days"}, "value"),
        ({"field": "data.at", "operator": "olderThan", "value": "3", "unit": "days"}, "value"),
        ({"field": "data.at", "operator": "olderThan", "value": True, "unit": "days"}, "value"),
        ({"field": "data.at", "operator": "within", "value": 1e12, "unit": "days"}, "value"),
        ({"logic": "AND", "groups": []}, "groups"),
        ({"logic": "AND", "groups": [group(PRO), group()]}, "groups.1"),
        ({"logic": "AND", "groups": [group(PRO, {"field": "x", "operator": "exists"})]}, "groups.0.filters.1.field"),
        ({"condition": {"logic": "AND", "groups": []}}, "condition.groups"),
        (
            {"mode": "multi", "field": "data.plan", "branches": [{"id": "a", "operator": "resembles"}]},
            "branches.0.operator",
        ),
        (
            {"mode": "multi", "field": "data.plan", "branches": [{"id": "a", "operator": "exists"}] * 2},
            "branches",
        ),
        (
            {"mode": "multi", "field": "data.plan", "branches": [{"id": "default", "operator": "exists"}]},
            "branches",
        ),
    ],
)
def test_a_flaw_is_named_by_its_path(config: dict[str, Any], path: str) -> None:
    assert flaw_paths(config) == [path]


def test_a_question_has_limits() -> None:
    deep: dict[str, Any] = {"logic": "AND", "groups": [group(PRO)]}
    for _ in range(5):
        deep = {"logic": "AND", "groups": [group(PRO, conditions=deep)]}
    assert len(flaw_paths(deep)) == 1
    assert flaw_paths({"logic": "AND", "groups": [group(*[PRO] * 51)]}) == [""]


# --- who judges what ---


@pytest.mark.parametrize(("total", "verdict"), [(101, True), (100, False), (None, False)])
def test_the_context_is_judged_here(total: Any, verdict: bool) -> None:
    assert narrowed(condition("AND", group(BIG)), {"total": total}, NOW) is verdict
    as_workflow = {**BIG, "field": "workflow.total"}
    assert narrowed(condition("AND", group(as_workflow)), {"total": total}, NOW) is verdict


def test_what_is_about_the_contact_is_left_to_contacts_in_their_words() -> None:
    asked = condition(
        "AND",
        group(
            {"field": "contact.email", "operator": "contains", "value": "@"},
            {"field": "contact.data.plan", "operator": "exists"},
            {"field": "event.signed_up", "operator": "triggered"},
        ),
    )
    left = narrowed(asked, {"signed_up": 1}, NOW)
    assert isinstance(left, Condition)
    assert [test.field for test in left.groups[0].filters] == ["email", "data.plan", "event.signed_up"]


def test_a_group_fails_with_any_of_its_tests_of_the_context() -> None:
    assert narrowed(condition("AND", group(BIG, PRO)), {"total": 1}, NOW) is False
    assert narrowed(condition("AND", group(BIG, PRO)), {"total": 500}, NOW) == condition("AND", group(PRO))


def test_and_needs_every_group_and_or_needs_one() -> None:
    assert narrowed(condition("AND", group(BIG), group(PRO)), {"total": 1}, NOW) is False
    assert narrowed(condition("AND", group(BIG), group(PRO)), {"total": 500}, NOW) == condition("AND", group(PRO))
    assert narrowed(condition("OR", group(BIG), group(PRO)), {"total": 500}, NOW) is True
    assert narrowed(condition("OR", group(BIG), group(PRO)), {"total": 1}, NOW) == condition("OR", group(PRO))
    assert narrowed(condition("OR", group(BIG), group(BIG)), {"total": 1}, NOW) is False


def test_nested_conditions_are_narrowed_too() -> None:
    nested = condition("AND", group(BIG, conditions={"logic": "OR", "groups": [group(PRO), group(BIG)]}))
    assert narrowed(nested, {"total": 500}, NOW) is True
    assert narrowed(nested, {"total": 1}, NOW) is False
    either = condition("AND", group(conditions={"logic": "OR", "groups": [group(BIG), group(PRO)]}))
    assert narrowed(either, {"total": 1}, NOW) == Condition(
        logic="AND", groups=[Group(conditions=condition("OR", group(PRO)))]
    )


# --- what is kept of the answer ---


def test_the_answer_is_kept_with_what_was_asked() -> None:
    assert outcome(PRO, "yes") == {
        "field": "data.plan",
        "operator": "equals",
        "expectedValue": "pro",
        "result": True,
        "branch": "yes",
    }
    assert outcome({"logic": "AND", "groups": []}, "no") == {"result": False, "branch": "no"}
    multi = {"mode": "multi", "field": "data.plan", "branches": []}
    assert outcome(multi, "default")["matchedBranch"] is None
    assert outcome(multi, "a")["matchedBranch"] == "a"
