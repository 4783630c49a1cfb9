"""A suppression rule: its decider, and which addresses it matches. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected, invalid
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

MAX_RULES = 100
MAX_PATTERN = 254

Command: TypeAlias = CreateSuppressionRule | UpdateSuppressionRule | DeleteSuppressionRule


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is None before the rule is created and after it is deleted; `others` counts the project's other rules."""

    id: UUID | None = None
    name: str = ""
    kind: RuleKind = "ADDRESS"
    pattern: str = ""
    enabled: bool = True
    others: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


INITIAL = Rule()


def decide(command: Command, rule: Rule, now: datetime) -> list[SuppressionRuleEvent]:
    match command:
        case CreateSuppressionRule():
            return _create(command, rule)
        case _ if rule.id is None:
            raise Rejected("SUPPRESSION_RULE_NOT_FOUND", "Suppression rule not found")
        case UpdateSuppressionRule():
            return _update(command, rule)
        case DeleteSuppressionRule(rule_id=rule_id):
            return [SuppressionRuleDeleted(rule_id=rule_id)]


def evolve(rule: Rule, event: SuppressionRuleEvent) -> Rule:
    match event:
        case SuppressionRuleCreated() | SuppressionRuleUpdated():
            return replace(
                rule,
                id=event.rule_id,
                name=event.name,
                kind=event.kind,
                pattern=event.pattern,
                enabled=event.enabled,
            )
        case SuppressionRuleDeleted():
            return replace(rule, id=None)
    raise AssertionError(f"evolve() has no case for {event!r}")


def first_match(rules: Sequence[Rule], address: str) -> Rule | None:
    """Return the first enabled rule that matches the address."""
    address = address.strip().lower()
    return next((rule for rule in rules if rule.enabled and matches(rule.kind, rule.pattern, address)), None)


def matches(kind: RuleKind, pattern: str, address: str) -> bool:
    """Return whether the pattern matches the address, both in lower case. A domain does not match its subdomains."""
    local, _, domain = address.rpartition("@")
    match kind:
        case "ADDRESS":
            return address == pattern
        case "DOMAIN":
            return domain == pattern
        case "PREFIX":
            return local.startswith(pattern)
        case "SUFFIX":
            return local.endswith(pattern)
        case "WILDCARD":
            return _wildcard(pattern, address)


def _wildcard(pattern: str, address: str) -> bool:
    """Match a pattern in which `*` stands for any text and `?` for any one character.

    Each part is searched from the end of the previous one, so the time is at most the product of both lengths.
    """
    first, *parts = pattern.split("*")
    if not parts:
        return _fits(first, address)
    *middle, last = parts
    if not _fits(first, address[: len(first)]) or len(address) < len(first) + len(last):
        return False
    place, end = len(first), len(address) - len(last)
    for part in middle:
        found = next((at for at in range(place, end - len(part) + 1) if _fits(part, address[at : at + len(part)])), -1)
        if found < 0:
            return False
        place = found + len(part)
    return _fits(last, address[end:])


def _fits(part: str, text: str) -> bool:
    return len(part) == len(text) and all(a in ("?", b) for a, b in zip(part, text, strict=True))


def _create(command: CreateSuppressionRule, rule: Rule) -> list[SuppressionRuleEvent]:
    _require_pattern(command)
    wanted = SuppressionRuleCreated(
        rule_id=command.rule_id,
        name=command.name.strip(),
        kind=command.kind,
        pattern=_normal(command.kind, command.pattern),
        enabled=command.enabled,
    )
    if rule.id is not None:
        if _same(wanted, rule):
            return []
        raise Rejected("CONFLICT", "A different suppression rule with this id exists")
    if rule.others >= MAX_RULES:
        raise Rejected(
            "SUPPRESSION_RULE_LIMIT_REACHED",
            f"A project can have at most {MAX_RULES} suppression rules",
        )
    return [wanted]


def _update(command: UpdateSuppressionRule, rule: Rule) -> list[SuppressionRuleEvent]:
    _require_pattern(command)
    wanted = SuppressionRuleUpdated(
        rule_id=command.rule_id,
        name=command.name.strip(),
        kind=command.kind,
        pattern=_normal(command.kind, command.pattern),
        enabled=command.enabled,
    )
    return [] if _same(wanted, rule) else [wanted]


def _same(wanted: SuppressionRuleCreated | SuppressionRuleUpdated, rule: Rule) -> bool:
    return (wanted.name, wanted.kind, wanted.pattern, wanted.enabled) == (
        rule.name,
        rule.kind,
        rule.pattern,
        rule.enabled,
    )


ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
NO_DOMAIN = re.compile(r"[@\s]")


def _normal(kind: RuleKind, pattern: str) -> str:
    pattern = pattern.strip().lower()
    return pattern.removeprefix("@") if kind == "DOMAIN" else pattern


def _require_pattern(command: CreateSuppressionRule | UpdateSuppressionRule) -> None:
    if message := _problem_with(command.kind, _normal(command.kind, command.pattern)):
        raise invalid("pattern", message, "invalid_string")


def _problem_with(kind: RuleKind, pattern: str) -> str | None:
    if not 0 < len(pattern) <= MAX_PATTERN:
        return f"The pattern must have between 1 and {MAX_PATTERN} characters"
    if kind == "ADDRESS" and not ADDRESS.fullmatch(pattern):
        return "The pattern must be an email address"
    if kind in ("DOMAIN", "PREFIX", "SUFFIX") and NO_DOMAIN.search(pattern):
        return "The pattern must not contain @ or spaces"
    return None
