"""Why a condition holds for a contact, or not: every filter with its verdict and what it saw. Pure."""

from datetime import datetime

from libs.kernel.conditions.person import Person, filter_holds, seen
from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.contacts.segments import ConditionVerdict, FilterVerdict, GroupVerdict


def explained(condition: Condition, person: Person, now: datetime) -> ConditionVerdict:
    groups = [_group(group, person, now) for group in condition.groups]
    verdicts = [group.matches for group in groups]
    matches = all(verdicts) if condition.logic == "AND" else any(verdicts)
    return ConditionVerdict(matches=matches, logic=condition.logic, groups=groups)


def _group(group: Group, person: Person, now: datetime) -> GroupVerdict:
    filters = [_filter(test, person, now) for test in group.filters]
    nested = explained(group.conditions, person, now) if group.conditions else None
    matches = all(test.matches for test in filters) and (nested is None or nested.matches)
    return GroupVerdict(matches=matches, filters=filters, conditions=nested)


def _filter(test: Filter, person: Person, now: datetime) -> FilterVerdict:
    return FilterVerdict(
        field=test.field,
        operator=test.operator,
        value=test.value,
        unit=test.unit,
        matches=filter_holds(test, person, now),
        actual=seen(test, person),
    )
