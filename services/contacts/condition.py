"""Conditions: nested groups of filters, compiled to one SQL predicate over a contact's row.

The predicate is built of fixed pieces and `$n`; every value of the caller's, names and paths too, is a bound argument.
"""

from collections.abc import Sequence

import msgspec

from libs.runtime.codec import encode
from libs.runtime.rejection import Rejected
from libs.schemas.base import FieldError
from libs.schemas.contacts import Condition, Filter, Group
from services.contacts.data import refusal
from services.contacts.filters import Arguments, BadFilter, predicate

MAX_DEPTH = 5
MAX_FILTERS = 50
MAX_BYTES = 64 * 1024


class Predicate(msgspec.Struct, frozen=True):
    """`sql` is true for the rows of table `contact` that match, and false or null for the others."""

    sql: str
    args: Sequence[object] = ()


EVERYONE = Predicate("true")


def compiled(condition: Condition, *, after: int = 0, root: str = "condition") -> Predicate:
    """The condition as SQL, whose arguments are numbered from `after` + 1.

    Raises Rejected with the path of everything that is wrong, such as `condition.groups[0].filters[1].operator`.
    """
    compiler = _Compiler(after)
    sql = compiler.condition(condition, root, 1)
    errors = compiler.errors or _as_a_whole(condition, compiler.filters, root)
    if errors:
        raise Rejected("VALIDATION_ERROR", errors[0].message, errors=errors)
    return Predicate(sql, compiler.args.values)


class _Compiler:
    def __init__(self, after: int) -> None:
        self.args = Arguments(after)
        self.errors: list[FieldError] = []
        self.filters = 0

    def condition(self, condition: Condition, path: str, depth: int) -> str:
        if depth > MAX_DEPTH:
            return self._wrong(path, f"Conditions must not be nested deeper than {MAX_DEPTH} levels", "too_big")
        if not condition.groups:
            return self._wrong(f"{path}.groups", "Condition must have at least one group", "too_small")
        groups = [self._group(g, f"{path}.groups[{i}]", depth) for i, g in enumerate(condition.groups)]
        return _joined(condition.logic, groups)

    def _group(self, group: Group, path: str, depth: int) -> str:
        parts = [self._filter(f, f"{path}.filters[{i}]") for i, f in enumerate(group.filters)]
        if group.conditions:
            parts.append(self.condition(group.conditions, f"{path}.conditions", depth + 1))
        if not parts:
            return self._wrong(path, "Group must have at least one filter or nested condition", "too_small")
        return _joined("AND", parts)

    def _filter(self, test: Filter, path: str) -> str:
        self.filters += 1
        try:
            return predicate(test, self.args)
        except BadFilter as bad:
            return self._wrong(f"{path}.{bad.part}", bad.message, bad.code)

    def _wrong(self, field: str, message: str, code: str) -> str:
        self.errors.append(FieldError(field=field, message=message, code=code))
        return "false"


def _as_a_whole(condition: Condition, filters: int, root: str) -> list[FieldError]:
    if filters > MAX_FILTERS:
        return [FieldError(field=root, message=f"Condition must have at most {MAX_FILTERS} filters", code="too_big")]
    if len(encode(condition)) > MAX_BYTES:
        return [FieldError(field=root, message=f"Condition is larger than {MAX_BYTES} bytes", code="too_big")]
    if reason := refusal(msgspec.to_builtins(condition)):
        return [FieldError(field=root, message=f"Condition {reason}", code="invalid_json")]
    return []


def _joined(logic: str, parts: Sequence[str]) -> str:
    return "(" + f" {logic.lower()} ".join(parts) + ")"
