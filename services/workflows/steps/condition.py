"""The CONDITION step, in any of its three forms. Pure.

- binary: `{field, operator, value}`, or the condition of a segment (`{logic, groups}`): branches `yes` and `no`;
- multi: `{mode: "multi", field, branches: [{id, name, operator, value}]}`: the first branch that matches, or `default`.

Filters on `event.*` and `workflow.*` test the data of the event that started the execution and are evaluated here. All
others are about the contact, and contacts evaluates them; so are those on `event.<name>` that ask whether an event was
triggered.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec

from libs.kernel.conditions import check
from libs.kernel.conditions.language import (
    HISTORY,
    VALUES,
    Field,
    field_of,
)
from libs.kernel.conditions.values import passes
from libs.kernel.data_paths import value_at
from libs.schemas.base import Data, FieldError
from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.workflows import Step, StepType
from services.workflows.steps.step_config import STAY, BranchingStep, MatchContact, StepResult, StepVisit

YES, NO, DEFAULT = "yes", "no", "default"
MAX_BRANCHES = 20
CONTEXT_SCOPES = {"event": VALUES | HISTORY, "workflow": VALUES}
"""Prefixes of fields of the context, with the operators that they allow. Those of `HISTORY` are about the contact."""


class BranchConfig(msgspec.Struct, frozen=True):
    """One branch of the multi form."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    operator: str
    value: Any = None
    unit: Literal["months", "weeks", "days", "hours", "minutes"] | None = None
    name: str = ""


class MultiConfig(msgspec.Struct, frozen=True):
    """The multi form."""

    field: str
    branches: Annotated[list[BranchConfig], msgspec.Meta(min_length=1, max_length=MAX_BRANCHES)]


class ConditionBranch(msgspec.Struct, frozen=True):
    """A branch, taken if its condition matches and none before it did.

    `path` is the place of the condition in the config; `single` says that it was written as a single filter.
    """

    name: str
    condition: Condition
    path: str = ""
    single: bool = False


class ConditionStep(BranchingStep, frozen=True):
    """Branches in their order, and the branch that is taken if none of them matches."""

    TYPE: ClassVar[StepType] = "CONDITION"

    branches: tuple[ConditionBranch, ...]
    otherwise: str

    @classmethod
    def parse(cls, step: Step) -> Self:
        config = step.config
        if config.get("mode") == "multi":
            multi = msgspec.convert(config, MultiConfig)
            return cls(tuple(_branch(multi.field, each, n) for n, each in enumerate(multi.branches)), DEFAULT)
        if "groups" in config:
            return cls((ConditionBranch(YES, msgspec.convert(config, Condition)),), NO)
        if "condition" in config:
            return cls((ConditionBranch(YES, msgspec.convert(config["condition"], Condition), "condition"),), NO)
        return cls((ConditionBranch(YES, _single(msgspec.convert(config, Filter)), single=True),), NO)

    def errors(self) -> list[FieldError]:
        if len(self.branch_names()) <= len(self.branches):
            message = 'Branch ids must be unique and must not be "default"'
            return [FieldError(field="branches", message=message, code="custom")]
        return [error for branch in self.branches for error in _errors(branch)]

    def branch_names(self) -> set[str]:
        return {*(branch.name for branch in self.branches), self.otherwise}

    async def choose_branch(self, context: Data, now: datetime, match: MatchContact) -> str:
        for branch in self.branches:
            verdict = evaluate(branch.condition, context, now)
            if verdict is True or (isinstance(verdict, Condition) and await match(verdict)):
                return branch.name
        return self.otherwise

    def reach(self, visit: StepVisit) -> StepResult:
        if visit.branch is None:
            return STAY
        return StepResult(output=output(visit.step.config, visit.branch), branch=visit.branch)


def output(config: Data, branch: str) -> Data:
    """Return the output of a step with this config that took the branch."""
    if config.get("mode") == "multi":
        matched = None if branch == DEFAULT else branch
        return {"field": config["field"], "mode": "multi", "matchedBranch": matched, "branch": branch}
    names = {"field": "field", "operator": "operator", "value": "expectedValue"}
    filtered = {name: config[member] for member, name in names.items() if member in config}
    return {**filtered, "result": branch == YES, "branch": branch}


def evaluate(condition: Condition, context: Data, now: datetime) -> bool | Condition:
    """Return whether the condition matches or, if that depends on the contact, the part that contacts must evaluate."""
    verdicts = [_evaluate_group(group, context, now) for group in condition.groups]
    decisive = condition.logic == "OR"
    if any(verdict is decisive for verdict in verdicts):
        return decisive
    rest = [verdict for verdict in verdicts if isinstance(verdict, Group)]
    return Condition(logic=condition.logic, groups=rest) if rest else not decisive


def _evaluate_group(group: Group, context: Data, now: datetime) -> bool | Group:
    filters = [_without_prefix(each) for each in group.filters]
    on_context = [each for each in filters if _is_on_context(each)]
    if not all(passes(each, value_at(context, each.field.partition(".")[2]), now) for each in on_context):
        return False
    nested = evaluate(group.conditions, context, now) if group.conditions else True
    on_contact = [each for each in filters if not _is_on_context(each)]
    if nested is False or (nested is True and not on_contact):
        return nested
    return Group(filters=on_contact, conditions=None if nested is True else nested)


def _is_on_context(test: Filter) -> bool:
    scope = test.field.partition(".")[0]
    return scope == "workflow" or (scope == "event" and test.operator not in HISTORY)


def _without_prefix(test: Filter) -> Filter:
    """Return the filter with the name that contacts has for the field: `email` for `contact.email`."""
    return msgspec.structs.replace(test, field=test.field.removeprefix("contact."))


def _single(test: Filter) -> Condition:
    return Condition(logic="AND", groups=[Group(filters=[test])])


def _branch(field: str, config: BranchConfig, number: int) -> ConditionBranch:
    test = Filter(field=field, operator=config.operator, value=config.value, unit=config.unit)
    return ConditionBranch(config.id, _single(test), f"branches.{number}", single=True)


def _errors(branch: ConditionBranch) -> list[FieldError]:
    if branch.single:
        return check.flaws_of_filter(branch.condition.groups[0].filters[0], branch.path, _field_of)
    return check.flaws(branch.condition, branch.path, _field_of)


def _field_of(text: str) -> Field | None:
    """Return the field of contacts, with or without `contact.` before it, or of the execution's context."""
    scope, _, name = text.partition(".")
    if scope not in CONTEXT_SCOPES:
        return field_of(text.removeprefix("contact."))
    return Field("data", CONTEXT_SCOPES[scope], name) if all(name.split(".")) else None
