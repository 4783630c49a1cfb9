"""One test of one field as SQL over the contact's row and what is counted beside it.

The SQL means what `libs.runtime.conditions` says. It is built of fixed pieces and placeholders, for filters that
have no flaws. Times compare to the millisecond where we show them so.
"""

from typing import assert_never

from libs.runtime.codec import encode
from libs.runtime.conditions.language import NEED_UNIT, ORDER, PRESENCE, RELATIVE, SUBSTRING, Field, field_of
from libs.runtime.conditions.values import instant, is_number, is_whole_day, span_of
from libs.schemas.contacts import Filter

SIGN = {
    "equals": "=",
    "notEquals": "<>",
    "greaterThan": ">",
    "lessThan": "<",
    "greaterThanOrEqual": ">=",
    "lessThanOrEqual": "<=",
}
FOUND = {"contains": "> 0", "notContains": "= 0"}
HISTORY = {
    "triggered": "exists (select from {of})",
    "notTriggered": "not exists (select from {of})",
    "triggeredWithin": "exists (select from {of} and last_at >= {since})",
    "notTriggeredWithin": "not exists (select from {of} and last_at >= {since})",
    "triggeredOlderThan": "exists (select from {of} and last_at < {since})",
}
COUNTERS = {"event": "contact_event", "activity": "contact_activity"}
OF = "{table} where {table}.project = contact.project and {table}.contact_id = contact.id and {table}.name = {name}"
LAST = "(select last_at from {of})"
LISTED = (
    "exists (select from segment_list where segment_list.project = contact.project "
    "and segment_list.contact_id = contact.id and segment_list.segment_id = {segment})"
)
COLUMNS = {"createdAt": "created_at", "updatedAt": "updated_at"}


class Statement:
    """What a predicate is made with besides its text: the bound values, and when time alone could turn it."""

    def __init__(self, after: int) -> None:
        self.values: list[object] = []
        self.turns: list[str] = []
        self._after = after

    def bind(self, value: object, cast: str) -> str:
        """The placeholder of one more value, such as `$3::jsonb`."""
        self.values.append(value)
        return f"${self._after + len(self.values)}::{cast}"

    def ago(self, test: Filter, moment: str) -> str:
        """The start of the test's span; `moment` crosses it while nobody touches the contact."""
        # in seconds: a day of an interval is longer or shorter where the session's clock changes
        span = f"make_interval(secs => {self.bind(span_of(test).total_seconds(), 'float8')})"
        self.turns.append(f"next_turn({moment}, {span})")
        return f"statement_timestamp() - {span}"


def predicate(test: Filter, statement: Statement) -> str:
    """The test as SQL: true for the contacts that pass it, false or null for the others. Segments are not of these."""
    field = field_of(test.field)
    assert field is not None, f"{test.field} was never checked"
    match field.scope:
        case "email":
            return _email(test, statement)
        case "subscribed":
            return f"subscribed {SIGN[test.operator]} {statement.bind(test.value, 'boolean')}"
        case "createdAt" | "updatedAt":
            return _time(test, f"date_trunc('milliseconds', contact.{COLUMNS[field.scope]})", "true", statement)
        case "data":
            return _data(test, field, statement)
        case "event" | "activity":
            return _history(test, field, statement)
        case "segment":
            raise AssertionError("a segment is compiled from its own condition")
        case _:
            assert_never(field.scope)


def is_listed(field: Field, statement: Statement) -> str:
    """Is the contact on the list of this static segment?"""
    return LISTED.format(segment=statement.bind(field.segment_id, "uuid"))


def _email(test: Filter, statement: Statement) -> str:
    value = statement.bind(test.value.strip().lower(), "text")
    if test.operator in SUBSTRING:
        return f"strpos(email, {value}) {FOUND[test.operator]}"
    return f"email {SIGN[test.operator]} {value}"


def _data(test: Filter, field: Field, statement: Statement) -> str:
    if test.operator == "equals" and _is_contained(test, field):
        return f"data @> {statement.bind(_nested(field.path, test.value), 'jsonb')}"
    value = _at(field.path, statement)
    present = f"coalesce({value} <> 'null', false)"
    if test.operator in PRESENCE:
        return present if test.operator == "exists" else f"not {present}"
    if test.operator in RELATIVE or (instant(test.value) is not None and test.operator not in SUBSTRING):
        return _time(test, f"instant({value})", present, statement)
    if test.operator in SUBSTRING:
        return _data_substring(test, value, statement)
    if test.operator in ORDER:
        return _data_order(test, value, statement)
    sought = statement.bind(encode(test.value).decode(), "jsonb")
    return f"{value} = {sought}" if test.operator == "equals" else f"({present} and {value} <> {sought})"


def _is_contained(test: Filter, field: Field) -> bool:
    """Is equality the same as containment? For plain values in objects it is, and much cheaper than looking them up.
    A number in the path could lead into a list."""
    plain = isinstance(test.value, str | bool | int | float) and instant(test.value) is None
    return plain and not any(_may_be_index(step) for step in field.path)


def _may_be_index(step: str) -> bool:
    return step.lstrip(" \t\n\v\f\r+-").isdigit()


def _nested(path: list[str], value: object) -> str:
    for step in reversed(path):
        value = {step: value}
    return encode(value).decode()


def _at(path: list[str], statement: Statement) -> str:
    if len(path) == 1:
        return f"(data -> {statement.bind(path[0], 'text')})"
    return f"(data #> {statement.bind(path, 'text[]')})"


def _data_substring(test: Filter, value: str, statement: Statement) -> str:
    sought = test.value if isinstance(test.value, str) else encode(test.value).decode()
    text = f"case when jsonb_typeof({value}) = 'string' then lower({value} #>> '{{}}') end"
    return f"strpos({text}, lower({statement.bind(sought, 'text')})) {FOUND[test.operator]}"


def _data_order(test: Filter, value: str, statement: Statement) -> str:
    """Numbers with numbers, text with text by code point."""
    sign = SIGN[test.operator]
    if is_number(test.value):
        bound = statement.bind(encode(test.value).decode(), "jsonb")
        return f"({value} {sign} {bound} and jsonb_typeof({value}) = 'number')"
    bound = statement.bind(test.value, "text")
    return f"(jsonb_typeof({value}) = 'string' and ({value} #>> '{{}}') collate \"C\" {sign} {bound})"


def _time(test: Filter, moment: str, present: str, statement: Statement) -> str:
    if test.operator in RELATIVE:
        ago = statement.ago(test, moment)
        return f"{moment} < {ago}" if test.operator == "olderThan" else _between(moment, ago)
    sought = instant(test.value)
    assert sought is not None
    bound = statement.bind(sought.isoformat(), "text::timestamptz")  # asyncpg would send the year 1 as minus infinity
    if test.operator in ORDER:
        return f"{moment} {SIGN[test.operator]} {bound}"
    end = f"{bound} + interval '{'24 hours' if is_whole_day(test.value) else '1 microsecond'}'"
    equal = f"({moment} >= {bound} and {moment} < {end})"
    return equal if test.operator == "equals" else f"({present} and {equal} is not true)"


def _between(moment: str, ago: str) -> str:
    return f"{moment} between {ago} and statement_timestamp()"


def _history(test: Filter, field: Field, statement: Statement) -> str:
    table = COUNTERS[field.scope]
    of = OF.format(table=table, name=statement.bind(field.name, "text"))
    since = statement.ago(test, LAST.format(of=of)) if test.operator in NEED_UNIT else ""
    return HISTORY[test.operator].format(of=of, since=since)
