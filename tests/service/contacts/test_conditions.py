"""Conditions in SQL match the same contacts as the evaluation in memory, for any condition and any contact."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.kernel.conditions.check import flaws
from libs.kernel.conditions.evaluation import ContactProfile, Occurrences, holds
from libs.kernel.conditions.language import (
    AFFIX,
    CHOICE,
    CONTACT_FIELDS,
    HISTORY,
    MEMBERSHIP,
    NEED_UNIT,
    NEED_VALUE,
    ORDER,
    RANGE,
    RELATIVE,
    SUBSTRING,
    VALUES,
)
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import Condition, Filter, Group
from services.contacts.contacts.data import json_flaw
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.segments import matching
from tests.service.contacts.caller import Caller, all_of, where

NOW = datetime.now(UTC)

INSERT = """
insert into contact (project, id, email, subscribed, data, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, 1, $6, $7)
"""
INSERT_EVENT = "insert into contact_event values ($1, $2, $3, 1, $4, $4)"
INSERT_ACTIVITY = "insert into contact_activity values ($1, $2, $3, 1, $4, $4)"
INSERT_SEGMENT = """
insert into segment
    (project, id, name, slug, condition, track_membership, version, created_at, updated_at, kind)
values (
    $1, $2, 'Some', 'some', $3, false, 1, now(), now(),
    case when $3::jsonb is null then 'STATIC' else 'DYNAMIC' end
)
"""
CLOCK = "select clock_timestamp()"
INSERT_LISTED = "insert into segment_list values ($1, $2, $3, now())"


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


WEIRD = ["'; drop table contact; --", 'a,b}"', "\\", "{0}", "$1", "%s", "x" * 300, "Ü"]
TEXTS = ["", "pro", "PRO users", "free", "été", "1", "true", "null", "b_%", *WEIRD]
DATES = [
    *("2026-05-06", "2026-05-06T00:00:00Z", "2026-05-06T23:59:59.999Z", "2026-05-07T01:00:00+02:00"),
    *("2026-05-06T12:00", "2026-05-06T12:00:00.5-0330", "0001-01-01", "9999-12-31", "2026-02-30", "2026-05-06 12:00"),
    *(ago(hours=h).isoformat() for h in (-30, -1, 1, 30)),
    ago(days=10).date().isoformat(),
]
OTHERS: list[Any] = [0, 1, 1.0, -2.5, 1e20, True, False, [], ["pro", 1, None], {}, {"pro": 1}, [["pro"]]]
SOME_VALUES: list[Any] = [*TEXTS, *DATES, *OTHERS]
UNITS: list[Literal["minutes", "hours", "days", "weeks", "months"]] = ["minutes", "hours", "days", "weeks", "months"]
EVENTS = ["signup", "Signup", "a.b", *WEIRD]
PATHS = ["v", "nested.v", "nested.w", "dotted.v", "list.0", "list.-1", "list.v", "missing", "v.v", "n", *WEIRD]


def at(times: dict[str, datetime]) -> dict[str, Occurrences]:
    return {name: Occurrences(1, moment) for name, moment in times.items()}


LISTED, BY_DATA, BY_BOTH = SEGMENTS = [UUID(int=n) for n in (1, 2, 3)]
"""A list, a condition, and a condition on both. The project of every example has them under the same ids."""

DEFINITIONS = {
    LISTED: None,
    BY_DATA: Condition(
        logic="OR",
        groups=[
            Group(filters=[where("data.v", "contains", "pro")]),
            Group(filters=[where("subscribed", "equals", True), where("data.missing", "notExists")]),
        ],
    ),
    BY_BOTH: all_of(where(f"segment.{LISTED}", "memberOfSegment"), where(f"segment.{BY_DATA}", "notMemberOfSegment")),
}


def person_of(number: int, value: Any) -> ContactProfile:
    happened = {EVENTS[number % len(EVENTS)]: ago(hours=number), "signup": ago(days=number)}
    person = ContactProfile(
        email=f"user{number}@{'Example' if number % 3 else 'Acme'}.com".lower(),
        subscribed=number % 2 == 0,
        data={
            "v": value,
            "nested": {"v": value, "w": 1},
            "nested.w": value,
            "dotted.v": value,
            "list": [value, {"v": value}],
            "n": None,
            WEIRD[number % len(WEIRD)]: value,
        },
        created_at=ago(hours=number * 7, microseconds=number * 333),
        updated_at=ago(hours=number),
        events=at(happened) if number % 4 else {},
        activities=at({"opened": ago(hours=number), "sent": ago(days=number)}) if number % 3 else {},
        segments={LISTED} if number % 5 < 2 else set(),
    )
    return in_segments(person)


def in_segments(person: ContactProfile) -> ContactProfile:
    """Return the profile with the dynamic segments it is in, which do not depend on time."""
    for segment, condition in DEFINITIONS.items():
        if condition and holds(condition, person, NOW):
            person = replace(person, segments={*person.segments, segment})
    return person


PEOPLE = [person_of(number, value) for number, value in enumerate(SOME_VALUES)]
PEOPLE.append(
    in_segments(ContactProfile(email="empty@example.com", subscribed=True, data={}, created_at=NOW, updated_at=NOW))
)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    field, operators = draw(
        st.sampled_from([(name, sorted(field.operators)) for name, field in CONTACT_FIELDS.items()])
        | st.sampled_from(PATHS).map(lambda path: (f"data.{path}", sorted(VALUES)))
        | st.sampled_from(EVENTS).map(lambda name: (f"event.{name}", sorted(HISTORY)))
        | st.sampled_from(["opened", "open", "sent", "bounced"]).map(lambda name: (f"email.{name}", sorted(HISTORY)))
        | st.sampled_from(SEGMENTS).map(lambda segment: (f"segment.{segment}", sorted(MEMBERSHIP)))
    )
    operator = draw(st.sampled_from(operators))
    value = draw(values_for(field, operator)) if operator in NEED_VALUE else None
    unit = draw(st.sampled_from(UNITS)) if operator in NEED_UNIT else None
    return Filter(field=field, operator=operator, value=value, unit=unit)


def values_for(field: str, operator: str) -> st.SearchStrategy[Any]:
    """Return values that the operator accepts for the field."""
    texts = st.sampled_from([*TEXTS, "user1", "EXAMPLE"]).filter(bool)
    if operator in NEED_UNIT or operator in RELATIVE:
        return st.sampled_from([1, 2.5, 30, 400])
    if operator in CHOICE:
        return st.lists(values_for(field, "equals").filter(is_scalar), min_size=1, max_size=4)
    if operator in RANGE:
        return st.lists(values_for(field, "lessThan"), min_size=2, max_size=2).filter(is_range)
    if field == "subscribed":
        return st.booleans()
    if field in ("createdAt", "updatedAt"):
        own = [person.created_at.isoformat(timespec="milliseconds") for person in PEOPLE]
        return st.sampled_from([*own, "2026-05-06", ago(days=1).date().isoformat()])
    if field == "email" or operator in SUBSTRING | AFFIX:
        return texts
    if operator in ORDER:
        return st.sampled_from([*TEXTS, *DATES, 0, 1, 1.0, -2.5, 3])
    return st.sampled_from(SOME_VALUES) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def is_range(values: list[Any]) -> bool:
    return not flaws(all_of(Filter(field="data.v", operator="between", value=values)))


LOGIC: list[Literal["AND", "OR"]] = ["AND", "OR"]


def conditions(groups: st.SearchStrategy[Group]) -> st.SearchStrategy[Condition]:
    return st.builds(Condition, logic=st.sampled_from(LOGIC), groups=st.lists(groups, min_size=1, max_size=3))


some_filters = st.lists(filters(), min_size=1, max_size=2)
flat = conditions(st.builds(Group, filters=some_filters))
nested = conditions(st.builds(Group, filters=some_filters, conditions=flat))


@pytest.fixture
async def populated(caller: Caller) -> Caller:
    """Return a caller whose project has PEOPLE and the segments."""
    async with caller.runtime.pool.acquire() as conn, conn.transaction():
        for segment, condition in DEFINITIONS.items():
            written = encode(condition).decode() if condition else None
            await conn.execute(INSERT_SEGMENT, caller.project, segment, written)
        for person in PEOPLE:
            await add(conn, caller, person)
    return caller


async def add(conn: Connection, caller: Caller, person: ContactProfile) -> UUID:
    contact = uuid4()
    data, times = encode(person.data).decode(), (person.created_at, person.updated_at)
    await conn.execute(INSERT, caller.project, contact, person.email, person.subscribed, data, *times)
    for statement, happened in ((INSERT_EVENT, person.events), (INSERT_ACTIVITY, person.activities)):
        rows = [(caller.project, contact, name, seen.last_at) for name, seen in happened.items()]
        await conn.executemany(statement, rows)
    if LISTED in person.segments:
        await conn.execute(INSERT_LISTED, caller.project, LISTED, contact)
    return contact


async def found(caller: Caller, condition: Condition) -> tuple[list[str], list[list[str]]]:
    """Return who matches by SQL, and by evaluation in memory just before and just after."""
    async with caller.runtime.pool.acquire() as conn:
        before: datetime = await conn.fetchval(CLOCK)
        ids = await matching.list_matching(conn, caller.project, condition, limit=1000, offset=0)
        after: datetime = await conn.fetchval(CLOCK)
        rows = await contacts.load(conn, [], [(caller.project, each) for each in ids])
    by_sql = sorted(row.contact.email for row in rows)
    return by_sql, [sorted(p.email for p in PEOPLE if holds(condition, p, now)) for now in (before, after)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=flat | nested)
async def test_sql_matches_the_same_contacts_as_the_evaluation_in_memory(
    populated: Caller, condition: Condition
) -> None:
    by_sql, by_reading = await found(populated, condition)
    assert by_sql in by_reading


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NUMBER = st.integers(-(10**20), 10**20) | st.floats(-1e20, 1e20).filter(lambda n: n == 0 or abs(n) > 1e-20)
MOMENT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(datetime.isoformat) | st.dates().map(str)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT | MOMENT | st.sampled_from(SOME_VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.sampled_from(PATHS), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def filters_on_data(draw: st.DrawFn, value: Any) -> Filter:
    """Draw a valid filter, often one that compares with the stored value itself."""
    path = draw(st.sampled_from(["v", "in.v", "list.1", "list.-1", "list.0.v"]) | TEXT.filter(bool))
    operator = draw(st.sampled_from(sorted(VALUES)))
    sought = draw(st.just(value) | JSON) if operator in NEED_VALUE else None
    sought = draw(st.lists(st.just(value) | JSON, min_size=1, max_size=3)) if operator in CHOICE | RANGE else sought
    sought = draw(st.sampled_from([1, 2.5, 30, 400])) if operator in RELATIVE else sought
    unit = draw(st.sampled_from(UNITS)) if operator in RELATIVE else None
    return Filter(field=f"data.{path}", operator=operator, value=sought, unit=unit)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(drawn=st.data(), value=JSON)
async def test_sql_treats_any_value_like_the_evaluation_in_memory(
    caller: Caller, drawn: st.DataObject, value: Any
) -> None:
    test = drawn.draw(filters_on_data(value))
    assume(not flaws(all_of(test)) and json_flaw(value) is None)
    person = ContactProfile(
        email=f"{uuid4()}@example.com",
        subscribed=True,
        data={"v": value, "in": {"v": value}, "list": [{"v": value}, value]},
        created_at=NOW,
        updated_at=NOW,
    )
    async with caller.runtime.pool.acquire() as conn, conn.transaction():
        contact = await add(conn, caller, person)
        before: datetime = await conn.fetchval(CLOCK)
        by_sql = await matching.matches(conn, caller.project, contact, all_of(test))
        after: datetime = await conn.fetchval(CLOCK)
    assert by_sql in {holds(all_of(test), person, now) for now in (before, after)}
