"""Filters: one test of one field, as SQL over the tables `contact` and `contact_event`.

What is missing or null matches `notExists` and nothing else; a value of another type than the filter's matches only
`notEquals`. Times compare as instants, to the millisecond where we show them so.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from libs.runtime.codec import encode
from libs.schemas.contacts import Filter

ORDER = {"greaterThan": ">", "lessThan": "<", "greaterThanOrEqual": ">=", "lessThanOrEqual": "<="}
EQUALITY = ("equals", "notEquals")
SUBSTRING = ("contains", "notContains")
RELATIVE = ("within", "olderThan")
PRESENCE = ("exists", "notExists")
HISTORY = {
    "triggered": "exists (select from contact_event {of})",
    "notTriggered": "not exists (select from contact_event {of})",
    "triggeredWithin": "exists (select from contact_event {of} and last_at >= {since})",
    "notTriggeredWithin": "not exists (select from contact_event {of} and last_at >= {since})",
    "triggeredOlderThan": "exists (select from contact_event {of} and last_at < {since})",
}
OPERATORS = {*ORDER, *EQUALITY, *SUBSTRING, *RELATIVE, *PRESENCE, *HISTORY}
NEED_UNIT = {*RELATIVE, "triggeredWithin", "notTriggeredWithin", "triggeredOlderThan"}
NEED_VALUE = {*ORDER, *EQUALITY, *SUBSTRING, *NEED_UNIT}

SECONDS = {"minutes": 60, "hours": 3600, "days": 86400}
LONGEST = 100 * 366 * SECONDS["days"]

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)


class BadFilter(Exception):
    """No contact could ever be tested so. `part` is the member of the filter that is wrong."""

    def __init__(self, part: str, message: str, code: str = "custom") -> None:
        super().__init__(message)
        self.part = part
        self.message = message
        self.code = code


class Arguments:
    """The bound values of a statement, numbered after those that it has already."""

    def __init__(self, after: int) -> None:
        self.values: list[object] = []
        self._after = after

    def bind(self, value: object, cast: str) -> str:
        """The placeholder of one more value, such as `$3::jsonb`."""
        self.values.append(value)
        return f"${self._after + len(self.values)}::{cast}"


def predicate(test: Filter, args: Arguments) -> str:
    """The test as SQL. Raises BadFilter."""
    compile_test, operators = _kind(test.field)
    if test.operator not in OPERATORS:
        raise BadFilter("operator", f"Invalid operator: {test.operator}", "invalid_enum_value")
    if test.operator not in operators:
        raise BadFilter("operator", f'Operator "{test.operator}" cannot be used on {test.field}')
    if test.operator in NEED_VALUE and test.value is None:
        raise BadFilter("value", f'Operator "{test.operator}" requires a value')
    if test.operator in NEED_UNIT and test.unit is None:
        raise BadFilter("unit", f'"{test.operator}" operator requires a unit (days, hours, or minutes)')
    return compile_test(test, args)


def instant(text: object) -> datetime | None:
    """ISO 8601 as a moment: UTC where no offset is given, midnight where no time is. None for anything else."""
    shape = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if not shape:
        return None
    try:
        moment = datetime.fromisoformat(shape[0])
        return (moment if shape["zone"] else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _email(test: Filter, args: Arguments) -> str:
    if not isinstance(test.value, str) or not test.value:
        raise BadFilter("value", "email is compared with text", "invalid_type")
    value = args.bind(test.value.strip().lower(), "text")
    if test.operator in SUBSTRING:
        return f"strpos(email, {value}) {_found(test)}"
    return f"email {_equal(test)} {value}"


def _subscribed(test: Filter, args: Arguments) -> str:
    if not isinstance(test.value, bool):
        raise BadFilter("value", "subscribed is compared with true or false", "invalid_type")
    return f"subscribed {_equal(test)} {args.bind(test.value, 'boolean')}"


def _column(name: str) -> Callable[[Filter, Arguments], str]:
    """A time of the contact's own, as the API shows it: in milliseconds."""

    def compare(test: Filter, args: Arguments) -> str:
        column = f"date_trunc('milliseconds', {name})"
        if test.operator in RELATIVE:
            return _relative(test, column, args)
        if instant(test.value) is None:
            raise BadFilter("value", f"{test.field} is compared with a date (ISO 8601)", "invalid_date")
        return _compare_instants(test, column, "true", args)

    return compare


def _data(test: Filter, args: Arguments) -> str:
    path = test.field.removeprefix("data.").split(".")
    value = f"nullif(data #> {args.bind(path, 'text[]')}, 'null')"
    if test.operator in PRESENCE:
        return f"{value} is {'not ' if test.operator == 'exists' else ''}null"
    if test.operator in RELATIVE:
        return _relative(test, f"instant({value})", args)
    if test.operator in SUBSTRING:
        return _data_substring(test, value, args)
    if instant(test.value) is not None:
        return _compare_instants(test, f"instant({value})", f"{value} is not null", args)
    if test.operator in EQUALITY:
        return f"{value} {_equal(test)} {args.bind(encode(test.value).decode(), 'jsonb')}"
    return _data_order(test, value, args)


def _data_substring(test: Filter, value: str, args: Arguments) -> str:
    if isinstance(test.value, dict | list) or test.value == "":
        raise BadFilter("value", f'Operator "{test.operator}" requires a text', "invalid_type")
    sought = test.value if isinstance(test.value, str) else encode(test.value).decode()
    text = f"case when jsonb_typeof({value}) = 'string' then lower({value} #>> '{{}}') end"
    return f"strpos({text}, lower({args.bind(sought, 'text')})) {_found(test)}"


def _data_order(test: Filter, value: str, args: Arguments) -> str:
    """Numbers with numbers, text with text by code point."""
    sign = ORDER[test.operator]
    if isinstance(test.value, str):
        bound = args.bind(test.value, "text")
        return f"(jsonb_typeof({value}) = 'string' and ({value} #>> '{{}}') collate \"C\" {sign} {bound})"
    if isinstance(test.value, int | float) and not isinstance(test.value, bool):
        bound = args.bind(encode(test.value).decode(), "jsonb")
        return f"(jsonb_typeof({value}) = 'number' and {value} {sign} {bound})"
    raise BadFilter("value", f'Operator "{test.operator}" compares numbers, dates and text', "invalid_type")


def _history(test: Filter, args: Arguments) -> str:
    name = args.bind(test.field.removeprefix("event."), "text")
    of = (
        "where contact_event.project = contact.project and contact_event.contact_id = contact.id "
        f"and contact_event.name = {name}"
    )
    since = _ago(test, args) if test.operator in NEED_UNIT else ""
    return HISTORY[test.operator].format(of=of, since=since)


def _compare_instants(test: Filter, value: str, present: str, args: Arguments) -> str:
    """A date without a time equals every moment of that day in UTC; in order it stands for its first."""
    moment = instant(test.value)
    assert moment is not None
    bound = args.bind(moment.isoformat(), "text::timestamptz")  # asyncpg would send the year 1 as minus infinity
    if test.operator in ORDER:
        return f"{value} {ORDER[test.operator]} {bound}"
    whole_day = isinstance(test.value, str) and "T" not in test.value
    end = f"{bound} + interval '1 day'" if whole_day else f"{bound} + interval '1 microsecond'"
    equal = f"({value} >= {bound} and {value} < {end})"
    return equal if test.operator == "equals" else f"({present} and {equal} is not true)"


def _relative(test: Filter, value: str, args: Arguments) -> str:
    ago = _ago(test, args)
    return f"{value} < {ago}" if test.operator == "olderThan" else f"{value} between {ago} and statement_timestamp()"


def _ago(test: Filter, args: Arguments) -> str:
    assert test.unit is not None
    amount = test.value
    if not isinstance(amount, int | float) or isinstance(amount, bool):
        raise BadFilter("value", f'Operator "{test.operator}" requires a number', "invalid_type")
    seconds = amount * SECONDS[test.unit]
    if not 0 < seconds <= LONGEST:
        raise BadFilter("value", f'Operator "{test.operator}" requires more than 0 and at most 100 years')
    return f"statement_timestamp() - make_interval(secs => {args.bind(float(seconds), 'float8')})"


def _equal(test: Filter) -> str:
    return "=" if test.operator == "equals" else "<>"


def _found(test: Filter) -> str:
    return "> 0" if test.operator == "contains" else "= 0"


Compile = Callable[[Filter, Arguments], str]

FIELDS: dict[str, tuple[Compile, set[str]]] = {
    "email": (_email, {*EQUALITY, *SUBSTRING}),
    "subscribed": (_subscribed, {*EQUALITY}),
    "createdAt": (_column("created_at"), {*EQUALITY, *ORDER, *RELATIVE}),
    "updatedAt": (_column("updated_at"), {*EQUALITY, *ORDER, *RELATIVE}),
}
DATA: tuple[Compile, set[str]] = (_data, {*EQUALITY, *SUBSTRING, *ORDER, *PRESENCE, *RELATIVE})
EVENT: tuple[Compile, set[str]] = (_history, {*HISTORY})


def _kind(field: str) -> tuple[Compile, set[str]]:
    """How the field is compiled, and the operators that it has."""
    if known := FIELDS.get(field):
        return known
    scope, _, name = field.partition(".")
    if scope == "data" and all(name.split(".")):
        return DATA
    if scope == "event" and name:
        return EVENT
    raise BadFilter("field", f"Unsupported filter field: {field}")
