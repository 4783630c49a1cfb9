"""Suppression rules: what is a rule, and whom it is about."""

from datetime import UTC, datetime
from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given as examples
from hypothesis import strategies

from libs.kernel.rejection import Rejected
from libs.schemas.delivery.suppressions import (
    CreateSuppressionRule,
    DeleteSuppressionRule,
    RuleKind,
    SuppressionRuleCreated,
    SuppressionRuleDeleted,
    SuppressionRuleEvent,
    SuppressionRuleUpdated,
    UpdateSuppressionRule,
)
from services.delivery.suppression.rule import INITIAL, MAX_RULES, Rule, decide, evolve, first_match, matches

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ID = UUID(int=1)
CREATED = SuppressionRuleCreated(rule_id=ID, name="Tests", kind="DOMAIN", pattern="example.test", enabled=True)


def given(*history: SuppressionRuleEvent) -> Rule:
    return reduce(evolve, history, INITIAL)


def create(kind: RuleKind = "DOMAIN", pattern: str = "example.test") -> CreateSuppressionRule:
    return CreateSuppressionRule(rule_id=ID, name="Tests", kind=kind, pattern=pattern)


@pytest.mark.parametrize(
    ("kind", "pattern", "matching", "others"),
    [
        ("ADDRESS", "ann@example.com", ["ann@example.com"], ["ann@example.com.au", "joann@example.com"]),
        ("DOMAIN", "example.com", ["ann@example.com"], ["ann@mail.example.com", "example.com@other.com"]),
        ("PREFIX", "test+", ["test+1@example.com"], ["my.test+1@example.com", "a@test+.com"]),
        ("SUFFIX", ".old", ["ann.old@example.com"], ["ann@example.old"]),
        (
            "WILDCARD",
            "*+test?@*.example.com",
            ["a+test1@b.example.com"],
            ["a+test@b.example.com", "a+test1@example.com"],
        ),
        ("WILDCARD", "ann@example.com", ["ann@example.com"], ["ann@example.comx"]),
        ("WILDCARD", "*", ["ann@example.com"], []),
        ("WILDCARD", "a*a", ["a@a"], ["a"]),
        ("WILDCARD", "no-reply@*", ["no-reply@x.example"], ["ano-reply@x.example"]),
    ],
)
def test_whom_a_rule_is_about(kind: RuleKind, pattern: str, matching: list[str], others: list[str]) -> None:
    assert [matches(kind, pattern, address) for address in matching] == [True] * len(matching)
    assert [matches(kind, pattern, address) for address in others] == [False] * len(others)


@examples(strategies.text("ab", max_size=8), strategies.text("ab*?", max_size=6))
def test_a_wildcard_means_what_the_shells_does(address: str, pattern: str) -> None:
    from fnmatch import fnmatchcase

    assert matches("WILDCARD", pattern, address) == fnmatchcase(address, pattern)


def test_a_hostile_wildcard_is_no_slower_than_another() -> None:
    assert not matches("WILDCARD", "*a" * 120 + "b", "a" * 254)


def test_the_oldest_enabled_rule_that_matches_is_the_one() -> None:
    off = Rule(id=UUID(int=1), kind="DOMAIN", pattern="example.com", enabled=False)
    first = Rule(id=UUID(int=2), kind="PREFIX", pattern="ann")
    second = Rule(id=UUID(int=3), kind="DOMAIN", pattern="example.com")
    assert first_match([off, first, second], " ANN@Example.com") is first
    assert first_match([off, first, second], "bob@example.com") is second
    assert first_match([off, first, second], "bob@example.net") is None


def test_a_pattern_is_kept_in_lower_case_and_a_domain_without_its_at() -> None:
    assert decide(create(pattern=" @Example.TEST "), given(), NOW) == [CREATED]


def test_the_same_again_changes_nothing() -> None:
    assert decide(create(), given(CREATED), NOW) == []
    same = UpdateSuppressionRule(rule_id=ID, name="Tests", kind="DOMAIN", pattern="example.test")
    assert decide(same, given(CREATED), NOW) == []


def test_a_rule_is_changed_and_deleted() -> None:
    off = UpdateSuppressionRule(rule_id=ID, name="Tests", kind="DOMAIN", pattern="example.test", enabled=False)
    (changed,) = decide(off, given(CREATED), NOW)
    assert isinstance(changed, SuppressionRuleUpdated) and not given(CREATED, changed).enabled
    deleted = SuppressionRuleDeleted(rule_id=ID)
    assert decide(DeleteSuppressionRule(rule_id=ID), given(CREATED), NOW) == [deleted]
    with pytest.raises(Rejected) as no:
        decide(off, given(CREATED, deleted), NOW)
    assert no.value.code == "SUPPRESSION_RULE_NOT_FOUND"


def test_a_project_has_a_hundred_rules_at_most() -> None:
    with pytest.raises(Rejected) as no:
        decide(create(), Rule(others=MAX_RULES), NOW)
    assert no.value.code == "SUPPRESSION_RULE_LIMIT_REACHED"


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("ADDRESS", "example.com"), ("DOMAIN", "a@b.com"), ("PREFIX", "a b"), ("WILDCARD", " "), ("SUFFIX", "x" * 255)],
)
def test_what_is_no_pattern_of_its_kind_is_refused(kind: RuleKind, pattern: str) -> None:
    with pytest.raises(Rejected) as no:
        decide(create(kind, pattern), given(), NOW)
    assert no.value.errors[0].field == "pattern"
