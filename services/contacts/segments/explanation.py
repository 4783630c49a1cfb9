"""Explains why a condition holds for a contact or not: every filter with its verdict and the value it saw. Pure."""

from datetime import datetime

from libs.kernel.conditions.evaluation import ContactProfile, actual_value, filter_holds
from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.contacts.segments import ConditionVerdict, FilterVerdict, GroupVerdict


def explain(condition: Condition, person: ContactProfile, now: datetime) -> ConditionVerdict:
    groups = [_group(group, person, now) for group in condition.groups]
    verdicts = [group.matches for group in groups]
    matches = all(verdicts) if condition.logic == "AND" else any(verdicts)
    return ConditionVerdict(matches=matches, logic=condition.logic, groups=groups)


def _group(group: Group, person: ContactProfile, now: datetime) -> GroupVerdict:
    filters = [_filter(test, person, now) for test in group.filters]
    nested = explain(group.conditions, person, now) if group.conditions else None
    matches = all(test.matches for test in filters) and (nested is None or nested.matches)
    return GroupVerdict(matches=matches, filters=filters, conditions=nested)


def _filter(test: Filter, person: ContactProfile, now: datetime) -> FilterVerdict:
    return FilterVerdict(
        field=test.field,
        operator=test.operator,
        value=test.value,
        unit=test.unit,
        matches=filter_holds(test, person, now),
        actual=actual_value(test, person),
    )
