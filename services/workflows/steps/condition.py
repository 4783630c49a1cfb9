"""The question that a CONDITION step asks, in any of its three forms. Pure.

- binary: `{field, operator, value}`, or the condition of a segment (`{logic, groups}`): branches `yes` and `no`;
- multi: `{mode: "multi", field, branches: [{id, name, operator, value}]}`: the first branch that holds, or `default`.

`event.*` and `workflow.*` are the data of the event that started the execution and are judged here. All else is about
the contact and for contacts to judge; `event.<name>` too where the operator asks whether the event was triggered.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from libs.kernel.conditions import check
from libs.kernel.conditions.language import (
    HISTORY,
    VALUES,
    Field,
    field_of,
)
from libs.kernel.conditions.values import passes, value_at
from libs.schemas.base import Data, FieldError
from libs.schemas.contacts.contacts import Condition, Filter, Group

YES, NO, DEFAULT = "yes", "no", "default"
MAX_BRANCHES = 20
TOLD = {"event": VALUES | HISTORY, "workflow": VALUES}
"""Fields of what an execution is told, and their operators. Those of `HISTORY` ask about the contact instead."""


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
        cases = [_case(multi.field, choice, f"branches.{n}") for n, choice in enumerate(multi.branches)]
        return Question(tuple(cases), DEFAULT)
    if "groups" in config:
        return Question((Case(YES, msgspec.convert(config, Condition)),), NO)
    if "condition" in config:
        return Question((Case(YES, msgspec.convert(config["condition"], Condition), "condition"),), NO)
    return Question((Case(YES, _alone(msgspec.convert(config, Filter)), short=True),), NO)


def flaws(question: Question) -> list[FieldError]:
    """Everything about the question that could never be answered; `field` is a path within the config."""
    if len(question.branches) <= len(question.cases):
        return [FieldError(field="branches", message="Branch ids must be different, and not default", code="custom")]
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
    if not all(passes(test, value_at(context, test.field.partition(".")[2]), now) for test in ours):
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
    if case.short:
        return check.flaws_of_filter(case.condition.groups[0].filters[0], case.path, _field_of)
    return check.flaws(case.condition, case.path, _field_of)


def _field_of(text: str) -> Field | None:
    """The fields of contacts, `contact.` before them or not, and what the execution is told."""
    scope, _, name = text.partition(".")
    if scope not in TOLD:
        return field_of(text.removeprefix("contact."))
    return Field("data", TOLD[scope], name) if all(name.split(".")) else None
