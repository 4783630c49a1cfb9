"""One test of one field as SQL over the contact's row and what is counted beside it.

The SQL means what `libs.kernel.conditions` says. It is built of fixed pieces and placeholders, for filters that
have no flaws. Times compare to the millisecond where we show them so.
"""

from typing import assert_never

from libs.kernel.conditions.language import (
    ORDER,
    PRESENCE,
    RELATIVE,
    SUBSTRING,
    Field,
    field_of,
)
from libs.kernel.conditions.values import (
    is_number,
    is_whole_day,
    parse_instant,
    timespan,
)
from libs.runtime.eventstore.codec import encode
from libs.schemas.contacts.contacts import Filter

SIGN = {
    "equals": "=",
    "notEquals": "<>",
    "greaterThan": ">",
    "lessThan": "<",
    "greaterThanOrEqual": ">=",
    "lessThanOrEqual": "<=",
}
FOUND = {"contains": "> 0", "notContains": "= 0"}
LATELY = {"triggeredWithin", "notTriggeredWithin"}
NEVER = {"notTriggered", "notTriggeredWithin"}
COUNTERS = {"event": "contact_event", "activity": "contact_activity"}

# At most one row for each contact, by the primary key. A join, because the planner turns one into whatever is best for
# a question, which it cannot do with a subquery that is one side of an `or`.
SEEN = """
left join {table} as {alias}
on {alias}.project = $1 and {alias}.contact_id = contact.id and {alias}.{key} = {value}{lately}"""
COLUMNS = {"createdAt": "created_at", "updatedAt": "updated_at"}


class Statement:
    """What a predicate is made with besides its text: the bound values, and when time alone could turn it."""

    def __init__(self, after: int) -> None:
        self.values: list[object] = []
        self.turns: list[str] = []
        self._seen: dict[tuple[str, object], str] = {}
        self._joins: list[str] = []
        self._after = after

    @property
    def joins(self) -> str:
        return "".join(self._joins)

    def bind(self, value: object, cast: str) -> str:
        """The placeholder of one more value, such as `$3::jsonb`."""
        self.values.append(value)
        return f"${self._after + len(self.values)}::{cast}"

    def seen(self, table: str, key: str, value: object, cast: str) -> str:
        """What the table has of the contact under this value of its key, as the alias of a row that may be missing."""
        if (table, value) not in self._seen:
            self._seen[table, value] = self._join(table, key, value, cast)
        return self._seen[table, value]

    def seen_lately(self, table: str, test: Filter, value: object) -> str:
        """As `seen`, but missing if it was before the test's span."""
        return self._join(table, "name", value, "text", test)

    def ago(self, test: Filter, moment: str) -> str:
        """The start of the test's span; `moment` crosses it while nobody touches the contact."""
        # in seconds: a day of an interval is longer or shorter where the session's clock changes
        span = f"make_interval(secs => {self.bind(timespan(test).total_seconds(), 'float8')})"
        self.turns.append(f"next_turn({moment}, {span})")
        return f"statement_timestamp() - {span}"

    def _join(self, table: str, key: str, value: object, cast: str, lately: Filter | None = None) -> str:
        bound = self.bind(value, cast)
        alias = f"seen_{self._after + len(self.values)}"
        since = f" and {alias}.last_at >= {self.ago(lately, f'{alias}.last_at')}" if lately else ""
        self._joins.append(SEEN.format(table=table, alias=alias, key=key, value=bound, lately=since))
        return alias


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
    return f"{statement.seen('segment_list', 'segment_id', field.segment_id, 'uuid')}.contact_id is not null"


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
    if test.operator in RELATIVE or (parse_instant(test.value) is not None and test.operator not in SUBSTRING):
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
    plain = isinstance(test.value, str | bool | int | float) and parse_instant(test.value) is None
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
        # one clause, so that the planner does not take the comparison for as cheap as a test that is
        return f"case when {value} {sign} {bound} then jsonb_typeof({value}) = 'number' end"
    bound = statement.bind(test.value, "text")
    return f"(jsonb_typeof({value}) = 'string' and ({value} #>> '{{}}') collate \"C\" {sign} {bound})"


def _time(test: Filter, moment: str, present: str, statement: Statement) -> str:
    if test.operator in RELATIVE:
        ago = statement.ago(test, moment)
        return f"{moment} < {ago}" if test.operator == "olderThan" else _between(moment, ago)
    sought = parse_instant(test.value)
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
    if test.operator in LATELY:
        seen = statement.seen_lately(table, test, field.name)
    else:
        seen = statement.seen(table, "name", field.name, "text")
    if test.operator == "triggeredOlderThan":
        return f"{seen}.last_at < {statement.ago(test, f'{seen}.last_at')}"
    return f"{seen}.contact_id is {'null' if test.operator in NEVER else 'not null'}"
