"""Suppression rules and listed addresses as the API shows them."""

from datetime import datetime

import asyncpg

from libs.kernel.instants import iso
from libs.schemas.delivery.suppressions import SuppressedAddressView, SuppressionRuleView
from services.delivery.suppression.read_models import suppressed_address
from services.delivery.suppression.rule import Rule


def rule_view(rule: Rule, now: datetime | None) -> SuppressionRuleView:
    """Return the view of a rule; `now` stands in for times that the rule does not have yet."""
    assert rule.id is not None and now is not None
    return SuppressionRuleView(
        id=rule.id,
        name=rule.name,
        kind=rule.kind,
        pattern=rule.pattern,
        enabled=rule.enabled,
        created_at=iso(rule.created_at or now),
        updated_at=iso(rule.updated_at or now),
    )


def address_view(row: asyncpg.Record) -> SuppressedAddressView:
    return SuppressedAddressView(address=row["address"], reason=row["reason"], since=iso(suppressed_address.since(row)))
