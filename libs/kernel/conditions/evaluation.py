"""What a condition says of one contact, judged in plain Python. Pure.

It is the meaning that the SQL of the contacts service has to agree with, and how a segment is explained.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.conditions.language import Field, field_of
from libs.kernel.conditions.values import passes, timespan, value_at
from libs.kernel.instants import iso
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import Condition, Filter, Group


class Occurrences(msgspec.Struct, frozen=True):
    """How often something happened to a contact, and when last."""

    count: int
    last_at: datetime


class ContactProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A contact with all that conditions can ask about: what happened to it, what became of its mails (`opened`), and
    the segments that it is in."""

    email: str
    subscribed: bool
    data: Data
    created_at: datetime
    updated_at: datetime
    events: Mapping[str, Occurrences] = {}
    activities: Mapping[str, Occurrences] = {}
    segments: Collection[UUID] = ()


def holds(condition: Condition, person: ContactProfile, now: datetime) -> bool:
    """Does the condition, which has no flaws, hold for the person?"""
    verdicts = (_group_holds(group, person, now) for group in condition.groups)
    return all(verdicts) if condition.logic == "AND" else any(verdicts)


def filter_holds(test: Filter, person: ContactProfile, now: datetime) -> bool:
    field = _field(test)
    match field.scope:
        case "event" | "activity":
            return _happened(test, _occurrences(field, person), now)
        case "segment":
            return (field.segment_id in person.segments) == (test.operator == "memberOfSegment")
        case "email":
            return passes(replace(test, value=test.value.strip().lower()), person.email, now)
        case _:
            return passes(test, actual_value(test, person), now)


def actual_value(test: Filter, person: ContactProfile) -> object:
    """What the person has where the filter looks: JSON, with times as the API spells them. None is nothing."""
    field = _field(test)
    match field.scope:
        case "email":
            return person.email
        case "subscribed":
            return person.subscribed
        case "createdAt":
            return iso(person.created_at)
        case "updatedAt":
            return iso(person.updated_at)
        case "data":
            return value_at(person.data, field.name)
        case "event" | "activity":
            found = _occurrences(field, person)
            return found and {"count": found.count, "lastAt": iso(found.last_at)}
        case "segment":
            return field.segment_id in person.segments
        case _:
            assert_never(field.scope)


def _group_holds(group: Group, person: ContactProfile, now: datetime) -> bool:
    within = group.conditions is None or holds(group.conditions, person, now)
    return within and all(filter_holds(test, person, now) for test in group.filters)


def _happened(test: Filter, found: Occurrences | None, now: datetime) -> bool:
    match test.operator:
        case "triggered":
            return found is not None
        case "notTriggered":
            return found is None
        case "triggeredWithin":
            return found is not None and found.last_at >= now - timespan(test)
        case "notTriggeredWithin":
            return found is None or found.last_at < now - timespan(test)
        case _:
            return found is not None and found.last_at < now - timespan(test)


def _occurrences(field: Field, person: ContactProfile) -> Occurrences | None:
    return (person.events if field.scope == "event" else person.activities).get(field.name)


def _field(test: Filter) -> Field:
    field = field_of(test.field)
    assert field is not None, f"{test.field} was never checked"
    return field
