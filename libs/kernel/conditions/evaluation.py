"""The evaluation of a condition for one contact, in plain Python.

It defines the meaning that the SQL of the contacts service must agree with, and it explains segments.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.conditions.language import Field, field_of
from libs.kernel.conditions.values import passes, timespan
from libs.kernel.data_paths import value_at
from libs.kernel.instants import iso
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import Condition, Filter, Group


class Occurrences(msgspec.Struct, frozen=True):
    """The number of times that something happened to a contact, and the last of them."""

    count: int
    last_at: datetime


class ContactProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A contact with everything that conditions can test.

    `events` are those tracked for the contact, `activities` are those of its mails (`opened`), and `segments` are those
    that it belongs to.
    """

    email: str
    subscribed: bool
    data: Data
    created_at: datetime
    updated_at: datetime
    events: Mapping[str, Occurrences] = {}
    activities: Mapping[str, Occurrences] = {}
    segments: Collection[UUID] = ()


def holds(condition: Condition, profile: ContactProfile, now: datetime) -> bool:
    """Return whether a condition without flaws holds for the contact."""
    verdicts = (_group_holds(group, profile, now) for group in condition.groups)
    return all(verdicts) if condition.logic == "AND" else any(verdicts)


def filter_holds(test: Filter, profile: ContactProfile, now: datetime) -> bool:
    field = _field(test)
    match field.scope:
        case "event" | "activity":
            return _happened(test, _occurrences(field, profile), now)
        case "segment":
            return (field.segment_id in profile.segments) == (test.operator == "memberOfSegment")
        case "email":
            return passes(replace(test, value=address_text(test.value)), profile.email, now)
        case _:
            return passes(test, actual_value(test, profile), now)


def address_text(sought: str | list[str]) -> Any:
    """Return what a filter compares addresses with, as addresses are stored: without spaces around, in lower case."""
    return [each.strip().lower() for each in sought] if isinstance(sought, list) else sought.strip().lower()


def actual_value(test: Filter, profile: ContactProfile) -> object:
    """Return the value that the filter tests, as JSON with times in the format of the API; None if there is none."""
    field = _field(test)
    match field.scope:
        case "email":
            return profile.email
        case "subscribed":
            return profile.subscribed
        case "createdAt":
            return iso(profile.created_at)
        case "updatedAt":
            return iso(profile.updated_at)
        case "data":
            return value_at(profile.data, field.name)
        case "event" | "activity":
            found = _occurrences(field, profile)
            return found and {"count": found.count, "lastAt": iso(found.last_at)}
        case "segment":
            return field.segment_id in profile.segments
        case _:
            assert_never(field.scope)


def _group_holds(group: Group, profile: ContactProfile, now: datetime) -> bool:
    within = group.conditions is None or holds(group.conditions, profile, now)
    return within and all(filter_holds(test, profile, now) for test in group.filters)


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


def _occurrences(field: Field, profile: ContactProfile) -> Occurrences | None:
    return (profile.events if field.scope == "event" else profile.activities).get(field.name)


def _field(test: Filter) -> Field:
    field = field_of(test.field)
    assert field is not None, f"{test.field} was not checked"
    return field
