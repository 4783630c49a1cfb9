"""The CONDITION step: the forms of its config, their errors, and which filters are evaluated here."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.workflows import Step
from services.workflows.steps.condition import ConditionStep, evaluate, output

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRO = {"field": "data.plan", "operator": "equals", "value": "pro"}
BIG = {"field": "event.total", "operator": "greaterThan", "value": 100}


def condition(logic: str, *groups: Any) -> Condition:
    return msgspec.convert({"logic": logic, "groups": groups}, Condition)


def group(*filters: Any, **nested: Any) -> dict[str, Any]:
    return {"filters": list(filters), **nested}


def parse(config: dict[str, Any]) -> ConditionStep:
    return ConditionStep.parse(Step(id=uuid4(), type_="CONDITION", name="step", config=config))


def error_paths(config: dict[str, Any]) -> list[str]:
    return [error.field for error in parse(config).errors()]


# --- forms ---


def test_a_single_filter_has_the_branches_yes_and_no() -> None:
    step = parse(PRO)
    assert [branch.name for branch in step.branches] == ["yes"]
    assert step.otherwise == "no"
    assert step.branches[0].condition == condition("AND", group(PRO))


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_condition_of_a_segment_has_the_branches_yes_and_no(wrapped: bool) -> None:
    written = {"logic": "OR", "groups": [group(PRO), group(BIG)]}
    step = parse({"condition": written} if wrapped else written)
    assert step.branch_names() == {"yes", "no"}
    assert step.branches[0].condition == condition("OR", group(PRO), group(BIG))


def test_the_multi_form_has_the_branches_of_its_config_and_default() -> None:
    branches = [
        {"id": "a", "name": "Pro", "operator": "equals", "value": "pro"},
        {"id": "b", "operator": "exists"},
    ]
    step = parse({"mode": "multi", "field": "data.plan", "branches": branches})
    assert [branch.name for branch in step.branches] == ["a", "b"]
    assert step.otherwise == "default"
    assert step.branches[1].condition.groups[0].filters == [Filter(field="data.plan", operator="exists")]


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
def test_a_config_in_none_of_the_forms_is_not_valid(config: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        parse(config)


# --- errors ---


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
def test_a_valid_condition_has_no_errors(config: dict[str, Any]) -> None:
    assert error_paths(config) == []


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
def test_an_error_has_the_path_within_the_config(config: dict[str, Any], path: str) -> None:
    assert error_paths(config) == [path]


def test_depth_and_number_of_filters_are_limited() -> None:
    deep: dict[str, Any] = {"logic": "AND", "groups": [group(PRO)]}
    for _ in range(5):
        deep = {"logic": "AND", "groups": [group(PRO, conditions=deep)]}
    assert len(error_paths(deep)) == 1
    assert error_paths({"logic": "AND", "groups": [group(*[PRO] * 51)]}) == [""]


# --- evaluation ---


@pytest.mark.parametrize(("total", "verdict"), [(101, True), (100, False), (None, False)])
def test_filters_on_the_context_are_evaluated_here(total: Any, verdict: bool) -> None:
    assert evaluate(condition("AND", group(BIG)), {"total": total}, NOW) is verdict
    as_workflow = {**BIG, "field": "workflow.total"}
    assert evaluate(condition("AND", group(as_workflow)), {"total": total}, NOW) is verdict


def test_filters_on_the_contact_are_left_to_contacts_by_the_names_it_uses() -> None:
    mixed = condition(
        "AND",
        group(
            {"field": "contact.email", "operator": "contains", "value": "@"},
            {"field": "contact.data.plan", "operator": "exists"},
            {"field": "event.signed_up", "operator": "triggered"},
        ),
    )
    rest = evaluate(mixed, {"signed_up": 1}, NOW)
    assert isinstance(rest, Condition)
    assert [test.field for test in rest.groups[0].filters] == ["email", "data.plan", "event.signed_up"]


def test_a_group_fails_if_any_filter_on_the_context_does() -> None:
    assert evaluate(condition("AND", group(BIG, PRO)), {"total": 1}, NOW) is False
    assert evaluate(condition("AND", group(BIG, PRO)), {"total": 500}, NOW) == condition("AND", group(PRO))


def test_and_requires_every_group_and_or_requires_one() -> None:
    assert evaluate(condition("AND", group(BIG), group(PRO)), {"total": 1}, NOW) is False
    assert evaluate(condition("AND", group(BIG), group(PRO)), {"total": 500}, NOW) == condition("AND", group(PRO))
    assert evaluate(condition("OR", group(BIG), group(PRO)), {"total": 500}, NOW) is True
    assert evaluate(condition("OR", group(BIG), group(PRO)), {"total": 1}, NOW) == condition("OR", group(PRO))
    assert evaluate(condition("OR", group(BIG), group(BIG)), {"total": 1}, NOW) is False


def test_nested_conditions_are_evaluated_too() -> None:
    nested = condition("AND", group(BIG, conditions={"logic": "OR", "groups": [group(PRO), group(BIG)]}))
    assert evaluate(nested, {"total": 500}, NOW) is True
    assert evaluate(nested, {"total": 1}, NOW) is False
    either = condition("AND", group(conditions={"logic": "OR", "groups": [group(BIG), group(PRO)]}))
    assert evaluate(either, {"total": 1}, NOW) == Condition(
        logic="AND", groups=[Group(conditions=condition("OR", group(PRO)))]
    )


# --- output ---


def test_the_output_has_the_config_and_the_branch() -> None:
    assert output(PRO, "yes") == {
        "field": "data.plan",
        "operator": "equals",
        "expectedValue": "pro",
        "result": True,
        "branch": "yes",
    }
    assert output({"logic": "AND", "groups": []}, "no") == {"result": False, "branch": "no"}
    multi = {"mode": "multi", "field": "data.plan", "branches": []}
    assert output(multi, "default")["matchedBranch"] is None
    assert output(multi, "a")["matchedBranch"] == "a"
