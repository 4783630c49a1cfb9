"""Compiles one filter to SQL over the contact's row and its counters.

The SQL means what `libs.kernel.conditions` says. It consists of fixed pieces and placeholders, and expects a filter
without errors. Times that the API shows to the millisecond are compared to the millisecond.
"""

from typing import assert_never

from libs.kernel.conditions.evaluation import address_text
from libs.kernel.conditions.language import (
    AFFIX,
    CHOICE,
    ORDER,
    PRESENCE,
    RANGE,
    RELATIVE,
    SUBSTRING,
    Field,
    field_of,
)
from libs.kernel.conditions.values import (
    is_number,
    is_whole_day,
    parse_instant,
    parts_of,
    timespan,
)
from libs.runtime.eventstore.codec import encode
from libs.schemas.contacts.contacts import Filter

SQL_OPERATOR = {
    "equals": "=",
    "notEquals": "<>",
    "greaterThan": ">",
    "lessThan": "<",
    "greaterThanOrEqual": ">=",
    "lessThanOrEqual": "<=",
}
STRPOS_TEST = {"contains": "> 0", "notContains": "= 0"}
EXISTS_TEST = {"contains": "exists", "notContains": "not exists"}
AFFIX_TEST = {"startsWith": "starts_with({text}, {affix})", "endsWith": "right({text}, length({affix})) = {affix}"}
ITEMS = "jsonb_array_elements({}) as item"
ANY_TEST = {"in": "= any", "notIn": "<> all"}
AGAINST_SPAN = {
    "greaterThan": ">= {end}",
    "lessThan": "< {start}",
    "greaterThanOrEqual": ">= {start}",
    "lessThanOrEqual": "< {end}",
}
"""How a moment is ordered against a whole day or a microsecond, from its start to its end."""
WITHIN = {"triggeredWithin", "notTriggeredWithin"}
NEGATED = {"notTriggered", "notTriggeredWithin"}
COUNTERS = {"event": "contact_event", "activity": "contact_activity"}

# At most one row per contact, by the primary key. A join, because the planner can execute it in whatever way suits the
# query best, which it cannot do with a subquery on one side of an `or`.
JOIN = """
left join {table} as {alias}
on {alias}.project = $1 and {alias}.contact_id = contact.id and {alias}.{key} = {value}{since}"""
COLUMNS = {"createdAt": "created_at", "updatedAt": "updated_at"}


class PredicateBuilder:
    """Collects what a predicate needs besides its text: joins, bound values, and the times at which it may change."""

    def __init__(self, after: int) -> None:
        self.values: list[object] = []
        self.turning_points: list[str] = []
        self._aliases: dict[tuple[str, object], str] = {}
        self._joins: list[str] = []
        self._after = after

    @property
    def joins(self) -> str:
        return "".join(self._joins)

    def bind(self, value: object, cast: str) -> str:
        """Add a value and return its placeholder, such as `$3::jsonb`."""
        self.values.append(value)
        return f"${self._after + len(self.values)}::{cast}"

    def join(self, table: str, key: str, value: object, cast: str) -> str:
        """Join the contact's row with this key and return its alias. The row may be missing."""
        if (table, value) not in self._aliases:
            self._aliases[table, value] = self._join(table, key, value, cast)
        return self._aliases[table, value]

    def join_within(self, table: str, test: Filter, value: object) -> str:
        """Like `join`, but the row is also missing if it is older than the filter's time span."""
        return self._join(table, "name", value, "text", test)

    def ago(self, test: Filter, moment: str) -> str:
        """Return the start of the filter's time span, and note when `moment` crosses it as time passes."""
        # in seconds: a day of an interval is longer or shorter when the session's time zone changes its clock
        span = f"make_interval(secs => {self.bind(timespan(test).total_seconds(), 'float8')})"
        self.turning_points.append(f"next_turn({moment}, {span})")
        return f"statement_timestamp() - {span}"

    def _join(self, table: str, key: str, value: object, cast: str, within: Filter | None = None) -> str:
        bound = self.bind(value, cast)
        alias = f"joined_{self._after + len(self.values)}"
        since = f" and {alias}.last_at >= {self.ago(within, f'{alias}.last_at')}" if within else ""
        self._joins.append(JOIN.format(table=table, alias=alias, key=key, value=bound, since=since))
        return alias


def predicate(test: Filter, builder: PredicateBuilder) -> str:
    """Return the filter as SQL: true for contacts that pass, false or null for the others. Not for filters on
    segments."""
    field = field_of(test.field)
    assert field is not None, f"{test.field} was not checked"
    if test.operator in RANGE:
        return _joined("and", [predicate(each, builder) for each in parts_of(test)])
    match field.scope:
        case "email":
            return _email(test, builder)
        case "subscribed":
            return f"subscribed {SQL_OPERATOR[test.operator]} {builder.bind(test.value, 'boolean')}"
        case "createdAt" | "updatedAt":
            return _time(test, f"date_trunc('milliseconds', contact.{COLUMNS[field.scope]})", "true", builder)
        case "data":
            return _data(test, field, builder)
        case "event" | "activity":
            return _history(test, field, builder)
        case "segment":
            raise AssertionError("a segment is compiled from its own condition")
        case _:
            assert_never(field.scope)


def is_listed(field: Field, builder: PredicateBuilder) -> str:
    """Return SQL that is true for contacts on the list of this static segment."""
    return f"{builder.join('segment_list', 'segment_id', field.segment_id, 'uuid')}.contact_id is not null"


def _email(test: Filter, builder: PredicateBuilder) -> str:
    if test.operator in CHOICE:
        return f"email {ANY_TEST[test.operator]} ({builder.bind(address_text(test.value), 'text[]')})"
    value = builder.bind(address_text(test.value), "text")
    if test.operator in SUBSTRING:
        return f"strpos(email, {value}) {STRPOS_TEST[test.operator]}"
    if test.operator in AFFIX:
        return AFFIX_TEST[test.operator].format(text="email", affix=value)
    return f"email {SQL_OPERATOR[test.operator]} {value}"


def _data(test: Filter, field: Field, builder: PredicateBuilder) -> str:
    if test.operator == "equals" and _is_contained(test, field):
        return _contains(field, test.value, builder)
    value = _at(field, builder)
    present = f"coalesce({value} <> 'null', false)"
    if test.operator in PRESENCE:
        return present if test.operator == "exists" else f"not {present}"
    if test.operator in CHOICE:
        return _data_choice(test, value, present, builder)
    return _data_value(test, value, present, builder)


def _data_value(test: Filter, value: str, present: str, builder: PredicateBuilder) -> str:
    if test.operator in SUBSTRING:
        return _data_substring(test, value, builder)
    if test.operator in AFFIX:
        affix = f"lower({builder.bind(_text(test.value), 'text')})"
        return AFFIX_TEST[test.operator].format(text=_lower_text(value), affix=affix)
    if test.operator in RELATIVE or parse_instant(test.value) is not None:
        return _time(test, f"instant({value})", present, builder)
    if test.operator in ORDER:
        return _data_order(test, value, builder)
    sought = builder.bind(encode(test.value).decode(), "jsonb")
    return f"{value} = {sought}" if test.operator == "equals" else f"({present} and {value} <> {sought})"


def _data_choice(test: Filter, value: str, present: str, builder: PredicateBuilder) -> str:
    """Compare with all plain values at once, and with each date."""
    parts = parts_of(test)
    plain = [encode(each.value).decode() for each in parts if parse_instant(each.value) is None]
    found = [f"{value} {ANY_TEST[test.operator]} ({builder.bind(plain, 'text[]')}::jsonb[])"] if plain else []
    found += [_data_value(each, value, present, builder) for each in parts if parse_instant(each.value) is not None]
    return _joined("or", found) if test.operator == "in" else _joined("and", [present, *found])


def _joined(word: str, tests: list[str]) -> str:
    return f"({f' {word} '.join(tests)})"


def _is_contained(test: Filter, field: Field) -> bool:
    """Return whether equality can be tested by containment, which is much cheaper than a lookup.

    That holds for plain values in objects. A number in the path could lead into a list.
    """
    plain = isinstance(test.value, str | bool | int | float) and parse_instant(test.value) is None
    return plain and not any(_may_be_index(step) for step in field.path)


def _contains(field: Field, value: object, builder: PredicateBuilder) -> str:
    """Return whether the data has the value, under a key that is the whole path or, without that key, at the path."""
    nested = f"data @> {builder.bind(_nested(field.path, value), 'jsonb')}"
    if len(field.path) == 1:
        return nested
    exact = f"data @> {builder.bind(_nested([field.name], value), 'jsonb')}"
    return f"({exact} or ({nested} and not data ? {builder.bind(field.name, 'text')}))"


def _may_be_index(step: str) -> bool:
    return step.lstrip(" \t\n\v\f\r+-").isdigit()


def _nested(path: list[str], value: object) -> str:
    for step in reversed(path):
        value = {step: value}
    return encode(value).decode()


def _at(field: Field, builder: PredicateBuilder) -> str:
    exact = f"data -> {builder.bind(field.name, 'text')}"
    if len(field.path) == 1:
        return f"({exact})"
    return f"coalesce({exact}, data #> {builder.bind(field.path, 'text[]')})"


def _data_substring(test: Filter, value: str, builder: PredicateBuilder) -> str:
    """Search a text for the text, and a list for the item."""
    sought = f"lower({builder.bind(_text(test.value), 'text')})"
    if isinstance(test.value, str):
        item = f"jsonb_typeof(item) = 'string' and lower(item #>> '{{}}') = {sought}"
    else:
        item = f"item = {builder.bind(encode(test.value).decode(), 'jsonb')}"
    return f"""
        case jsonb_typeof({value})
            when 'string' then strpos(lower({value} #>> '{{}}'), {sought}) {STRPOS_TEST[test.operator]}
            when 'array' then {EXISTS_TEST[test.operator]} (select from {ITEMS.format(value)} where {item})
        end"""


def _text(value: object) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _lower_text(value: str) -> str:
    """Return the value in lower case if it is a text, else null."""
    return f"case when jsonb_typeof({value}) = 'string' then lower({value} #>> '{{}}') end"


def _data_order(test: Filter, value: str, builder: PredicateBuilder) -> str:
    """Compare numbers with numbers, and text with text by code point."""
    sign = SQL_OPERATOR[test.operator]
    if is_number(test.value):
        bound = builder.bind(encode(test.value).decode(), "jsonb")
        # one clause, because the planner would take a bare comparison to be as cheap as filters that really are
        return f"case when {value} {sign} {bound} then jsonb_typeof({value}) = 'number' end"
    bound = builder.bind(test.value, "text")
    return f"(jsonb_typeof({value}) = 'string' and ({value} #>> '{{}}') collate \"C\" {sign} {bound})"


def _time(test: Filter, moment: str, present: str, builder: PredicateBuilder) -> str:
    if test.operator in RELATIVE:
        ago = builder.ago(test, moment)
        return f"{moment} < {ago}" if test.operator == "olderThan" else _between(moment, ago)
    sought = parse_instant(test.value)
    assert sought is not None
    bound = builder.bind(sought.isoformat(), "text::timestamptz")  # asyncpg would send the year 1 as minus infinity
    end = f"{bound} + interval '{'24 hours' if is_whole_day(test.value) else '1 microsecond'}'"
    if test.operator in ORDER:
        return f"{moment} {AGAINST_SPAN[test.operator].format(start=bound, end=end)}"
    equal = f"({moment} >= {bound} and {moment} < {end})"
    return equal if test.operator == "equals" else f"({present} and {equal} is not true)"


def _between(moment: str, ago: str) -> str:
    return f"{moment} between {ago} and statement_timestamp()"


def _history(test: Filter, field: Field, builder: PredicateBuilder) -> str:
    table = COUNTERS[field.scope]
    if test.operator in WITHIN:
        alias = builder.join_within(table, test, field.name)
    else:
        alias = builder.join(table, "name", field.name, "text")
    if test.operator == "triggeredOlderThan":
        return f"{alias}.last_at < {builder.ago(test, f'{alias}.last_at')}"
    return f"{alias}.contact_id is {'null' if test.operator in NEGATED else 'not null'}"
