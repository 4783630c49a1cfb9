"""Suppression rules: their decider, and which addresses they match."""

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
def test_which_addresses_a_rule_matches(kind: RuleKind, pattern: str, matching: list[str], others: list[str]) -> None:
    assert [matches(kind, pattern, address) for address in matching] == [True] * len(matching)
    assert [matches(kind, pattern, address) for address in others] == [False] * len(others)


@examples(strategies.text("ab", max_size=8), strategies.text("ab*?", max_size=6))
def test_a_wildcard_matches_like_the_shells(address: str, pattern: str) -> None:
    from fnmatch import fnmatchcase

    assert matches("WILDCARD", pattern, address) == fnmatchcase(address, pattern)


def test_a_hostile_wildcard_is_fast() -> None:
    assert not matches("WILDCARD", "*a" * 120 + "b", "a" * 254)


def test_the_first_enabled_rule_that_matches_is_returned() -> None:
    off = Rule(id=UUID(int=1), kind="DOMAIN", pattern="example.com", enabled=False)
    first = Rule(id=UUID(int=2), kind="PREFIX", pattern="ann")
    second = Rule(id=UUID(int=3), kind="DOMAIN", pattern="example.com")
    assert first_match([off, first, second], " ANN@Example.com") is first
    assert first_match([off, first, second], "bob@example.com") is second
    assert first_match([off, first, second], "bob@example.net") is None


def test_patterns_are_normalised() -> None:
    assert decide(create(pattern=" @Example.TEST "), given(), NOW) == [CREATED]


def test_repeating_a_command_changes_nothing() -> None:
    assert decide(create(), given(CREATED), NOW) == []
    same = UpdateSuppressionRule(rule_id=ID, name="Tests", kind="DOMAIN", pattern="example.test")
    assert decide(same, given(CREATED), NOW) == []


def test_a_rule_can_be_changed_and_deleted() -> None:
    off = UpdateSuppressionRule(rule_id=ID, name="Tests", kind="DOMAIN", pattern="example.test", enabled=False)
    (changed,) = decide(off, given(CREATED), NOW)
    assert isinstance(changed, SuppressionRuleUpdated) and not given(CREATED, changed).enabled
    deleted = SuppressionRuleDeleted(rule_id=ID)
    assert decide(DeleteSuppressionRule(rule_id=ID), given(CREATED), NOW) == [deleted]
    with pytest.raises(Rejected) as rejected:
        decide(off, given(CREATED, deleted), NOW)
    assert rejected.value.code == "SUPPRESSION_RULE_NOT_FOUND"


def test_a_project_can_have_at_most_a_hundred_rules() -> None:
    with pytest.raises(Rejected) as rejected:
        decide(create(), Rule(others=MAX_RULES), NOW)
    assert rejected.value.code == "SUPPRESSION_RULE_LIMIT_REACHED"


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("ADDRESS", "example.com"), ("DOMAIN", "a@b.com"), ("PREFIX", "a b"), ("WILDCARD", " "), ("SUFFIX", "x" * 255)],
)
def test_an_invalid_pattern_is_rejected(kind: RuleKind, pattern: str) -> None:
    with pytest.raises(Rejected) as rejected:
        decide(create(kind, pattern), given(), NOW)
    assert rejected.value.errors[0].field == "pattern"
