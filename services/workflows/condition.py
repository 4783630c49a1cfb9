"""The question that a CONDITION step asks, in any of its three forms. Pure.

- binary: `{field, operator, value}`, or the condition of a segment (`{logic, groups}`): branches `yes` and `no`;
- multi: `{mode: "multi", field, branches: [{id, name, operator, value}]}`: the first branch that holds, or `default`.

`event.*` and `workflow.*` are the data of the event that started the execution and are judged here. All else is about
the contact and for contacts to judge; `event.<name>` too where the operator asks whether the event was triggered.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from libs.schemas.base import Data, FieldError
from libs.schemas.contacts import Condition, Filter, Group
from services.workflows.filters import EQUALITY, ORDER, PRESENCE, RELATIVE, SECONDS, SUBSTRING, holds, value_at

YES, NO, DEFAULT = "yes", "no", "default"
MAX_BRANCHES = 20
MAX_DEPTH = 5
MAX_FILTERS = 50
LONGEST = 100 * 366 * SECONDS["days"]

HISTORY = {"triggered", "notTriggered", "triggeredWithin", "notTriggeredWithin", "triggeredOlderThan"}
VALUES = {*EQUALITY, *SUBSTRING, *ORDER, *PRESENCE, *RELATIVE}
OPERATORS = {*VALUES, *HISTORY}
NEED_UNIT = {*RELATIVE, "triggeredWithin", "notTriggeredWithin", "triggeredOlderThan"}
NEED_VALUE = {*EQUALITY, *SUBSTRING, *ORDER, *NEED_UNIT}

OWN_FIELDS = {
    "email": {*EQUALITY, *SUBSTRING},
    "subscribed": {*EQUALITY},
    "createdAt": {*EQUALITY, *ORDER, *RELATIVE},
    "updatedAt": {*EQUALITY, *ORDER, *RELATIVE},
}
SCOPES = {"data": VALUES, "event": OPERATORS, "workflow": VALUES}


class Choice(msgspec.Struct, frozen=True):
    """One branch of the multi form."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    operator: str
    value: Any = None
    unit: Literal["days", "hours", "minutes"] | None = None
    name: str = ""


class Multi(msgspec.Struct, frozen=True):
    field: str
    branches: Annotated[list[Choice], msgspec.Meta(min_length=1, max_length=MAX_BRANCHES)]


class Case(msgspec.Struct, frozen=True):
    """The branch that is taken if the condition holds and none before it did.

    `path` is where its author wrote it; a `short` one was written as the one filter that it is.
    """

    branch: str
    condition: Condition
    path: str = ""
    short: bool = False


class Question(msgspec.Struct, frozen=True):
    """Cases in their order, and the branch that is taken if none holds."""

    cases: tuple[Case, ...]
    otherwise: str

    @property
    def branches(self) -> set[str]:
        return {*(case.branch for case in self.cases), self.otherwise}


def question_of(config: Data) -> Question:
    """Read a CONDITION step's config. Raises msgspec.ValidationError if it has none of the forms."""
    if config.get("mode") == "multi":
        multi = msgspec.convert(config, Multi)
        cases = [_case(multi.field, choice, f"branches[{n}]") for n, choice in enumerate(multi.branches)]
        return Question(tuple(cases), DEFAULT)
    if "groups" in config:
        return Question((Case(YES, msgspec.convert(config, Condition)),), NO)
    if "condition" in config:
        return Question((Case(YES, msgspec.convert(config["condition"], Condition), "condition"),), NO)
    return Question((Case(YES, _alone(msgspec.convert(config, Filter)), short=True),), NO)


def flaws(question: Question) -> list[FieldError]:
    """Everything about the question that could never be answered; `field` is a path within the config."""
    if len(question.branches) <= len(question.cases):
        return [_flaw("branches", "Branch ids must be different, and not default", "custom")]
    return [flaw for case in question.cases for flaw in _flaws_of(case)]


def outcome(config: Data, branch: str) -> Data:
    """What is kept of an answered question."""
    if config.get("mode") == "multi":
        matched = None if branch == DEFAULT else branch
        return {"field": config["field"], "mode": "multi", "matchedBranch": matched, "branch": branch}
    asked = {"field": "field", "operator": "operator", "value": "expectedValue"}
    known = {name: config[member] for member, name in asked.items() if member in config}
    return {**known, "result": branch == YES, "branch": branch}


def narrowed(condition: Condition, context: Data, now: datetime) -> bool | Condition:
    """The verdict, or what is left for contacts to judge once all about the context is judged."""
    verdicts = [_narrowed_group(group, context, now) for group in condition.groups]
    decisive = condition.logic == "OR"
    if any(verdict is decisive for verdict in verdicts):
        return decisive
    left = [verdict for verdict in verdicts if isinstance(verdict, Group)]
    return Condition(logic=condition.logic, groups=left) if left else not decisive


def _narrowed_group(group: Group, context: Data, now: datetime) -> bool | Group:
    tests = [_as_contacts_say(test) for test in group.filters]
    ours = [test for test in tests if _is_ours(test)]
    if not all(holds(test, value_at(context, test.field.partition(".")[2]), now) for test in ours):
        return False
    nested = narrowed(group.conditions, context, now) if group.conditions else True
    theirs = [test for test in tests if not _is_ours(test)]
    if nested is False or (nested is True and not theirs):
        return nested
    return Group(filters=theirs, conditions=None if nested is True else nested)


def _is_ours(test: Filter) -> bool:
    scope = test.field.partition(".")[0]
    return scope == "workflow" or (scope == "event" and test.operator not in HISTORY)


def _as_contacts_say(test: Filter) -> Filter:
    """`contact.email` is contacts' `email`, `contact.data.plan` their `data.plan`."""
    return msgspec.structs.replace(test, field=test.field.removeprefix("contact."))


def _alone(test: Filter) -> Condition:
    return Condition(logic="AND", groups=[Group(filters=[test])])


def _case(field: str, choice: Choice, path: str) -> Case:
    test = Filter(field=field, operator=choice.operator, value=choice.value, unit=choice.unit)
    return Case(choice.id, _alone(test), path, short=True)


def _flaws_of(case: Case) -> list[FieldError]:
    found = [(case.path, test) if case.short else (path, test) for path, test in _filters_of(case.condition, case.path)]
    if len(found) > MAX_FILTERS:
        return [_flaw(case.path, f"Condition must have at most {MAX_FILTERS} filters", "too_big")]
    return [flaw for path, test in found if (flaw := _flaw_of(test, path))]


def _filters_of(condition: Condition, path: str, depth: int = 1) -> "Iterator[tuple[str, Filter | str]]":
    """Every filter with its path, and in place of one that is not there what is wrong."""
    if depth > MAX_DEPTH:
        yield path, f"Conditions must not be nested deeper than {MAX_DEPTH} levels"
        return
    if not condition.groups:
        yield _join(path, "groups"), "Condition must have at least one group"
    for number, group in enumerate(condition.groups):
        place = _join(path, f"groups[{number}]")
        if not group.filters and group.conditions is None:
            yield place, "Group must have at least one filter or nested condition"
        for index, test in enumerate(group.filters):
            yield f"{place}.filters[{index}]", test
        if group.conditions:
            yield from _filters_of(group.conditions, f"{place}.conditions", depth + 1)


def _flaw_of(found: Filter | str, path: str) -> FieldError | None:
    if isinstance(found, str):
        return _flaw(path, found, "custom")
    test = _as_contacts_say(found)
    allowed = _operators(test.field)
    if allowed is None:
        return _flaw(_join(path, "field"), f"Unsupported filter field: {found.field}", "custom")
    if test.operator not in OPERATORS:
        return _flaw(_join(path, "operator"), f"Invalid operator: {test.operator}", "invalid_enum_value")
    if test.operator not in allowed:
        message = f'Operator "{test.operator}" cannot be used on {found.field}'
        return _flaw(_join(path, "operator"), message, "custom")
    if test.operator in NEED_VALUE and test.value is None:
        return _flaw(_join(path, "value"), f'Operator "{test.operator}" requires a value', "required")
    return _flaw_of_amount(test, path) if test.operator in NEED_UNIT else None


def _flaw_of_amount(test: Filter, path: str) -> FieldError | None:
    if test.unit is None:
        message = f'"{test.operator}" operator requires a unit (days, hours, or minutes)'
        return _flaw(_join(path, "unit"), message, "required")
    number = isinstance(test.value, int | float) and not isinstance(test.value, bool)
    if not number or not 0 < test.value * SECONDS[test.unit] <= LONGEST:
        message = f'Operator "{test.operator}" requires more than 0 and at most 100 years'
        return _flaw(_join(path, "value"), message, "invalid_type")
    return None


def _operators(field: str) -> set[str] | None:
    """The operators that the field has; None if there is no such field."""
    if field in OWN_FIELDS:
        return OWN_FIELDS[field]
    scope, _, name = field.partition(".")
    return SCOPES.get(scope) if name and all(name.split(".")) else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _flaw(path: str, message: str, code: str) -> FieldError:
    return FieldError(field=path, message=message, code=code)
