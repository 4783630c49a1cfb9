"""Conditions as SQL: nested groups of filters, compiled to one predicate over a contact's row.

The predicate is built of fixed pieces and `$n`; every value of the caller's, names and paths too, is a bound argument.
A filter on another segment is that segment's own condition in its place, so it is never out of date.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.conditions.check import filters_of, flaws
from libs.kernel.conditions.language import Field, field_of
from libs.kernel.rejection import Rejected, invalid_fields
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import FieldError
from libs.schemas.contacts.contacts import Condition, Filter, Group
from services.contacts.contacts.data import refusal
from services.contacts.segments.filters import Statement, is_listed, predicate

MAX_BYTES = 64 * 1024
MAX_EXPANDED = 500
"""Filters of a condition and of all the segments that it leads to."""

Segments: TypeAlias = Mapping[UUID, Condition | None]
"""The conditions of segments that may be referred to. None is a static segment: its members are on a list."""

Trail: TypeAlias = tuple[UUID, ...]
"""The segments that led to a place."""


class Predicate(msgspec.Struct, frozen=True):
    """`sql` is true for the rows of table `contact` that match, and false or null for the others. It belongs into a
    statement whose `$1` is their project, and in which `joins`, of at most one row for each of them, follow the table.

    `turns` are expressions over the same row: moments from now on at which time alone may change the answer.
    """

    sql: str
    joins: str = ""
    args: Sequence[object] = ()
    turns: Sequence[str] = ()


EVERYONE = Predicate("true")


def compiled(
    condition: Condition,
    segments: Segments | None = None,
    *,
    after: int = 0,
    root: str = "condition",
    own_id: UUID | None = None,
) -> Predicate:
    """The condition as SQL, whose arguments are numbered from `after` + 1.

    `segments` are those that it refers to, by whatever way; `own_id` is the segment whose condition it is. Raises
    Rejected with the path of everything that is wrong, such as `condition.groups.0.filters.1.operator`.
    """
    check(condition, root)
    compiler = _Compiler(segments or {}, after)
    sql = compiler.condition(condition, root, (own_id,) if own_id else ())
    if compiler.errors:
        raise _refused(compiler.errors)
    made = compiler.statement
    return Predicate(sql, made.joins, made.values, made.turns)


def check(condition: Condition, root: str = "condition") -> None:
    """Raise Rejected for what is wrong with the condition by itself, whatever segments there are."""
    if errors := _as_a_whole(condition, root) or flaws(condition, root):
        raise _refused(errors)


def references(condition: Condition) -> set[UUID]:
    """The segments that the condition names. Those that no segment could have are left out."""
    fields = (field_of(test.field) for test in filters_of(condition))
    return {field.segment_id for field in fields if field and field.scope == "segment"}


def topics(condition: Condition) -> set[str]:
    """What must happen to a contact for the answer to change, apart from changes of the contact itself."""
    fields = (field_of(test.field) for test in filters_of(condition))
    return {f"{field.scope}.{field.name}" for field in fields if field and field.scope in ("event", "activity")}


class _Compiler:
    def __init__(self, segments: Segments, after: int) -> None:
        self.statement = Statement(after)
        self.errors: list[FieldError] = []
        self._segments = segments
        self._expanded = 0

    def condition(self, condition: Condition, path: str, trail: Trail) -> str:
        groups = [self._group(g, f"{path}.groups.{i}", trail) for i, g in enumerate(condition.groups)]
        return _joined(condition.logic, groups)

    def _group(self, group: Group, path: str, trail: Trail) -> str:
        return _joined("AND", list(self._parts(group, path, trail)))

    def _parts(self, group: Group, path: str, trail: Trail) -> Iterator[str]:
        for number, test in enumerate(group.filters):
            yield self._filter(test, f"{path}.filters.{number}", trail)
        if group.conditions:
            yield self.condition(group.conditions, f"{path}.conditions", trail)

    def _filter(self, test: Filter, path: str, trail: Trail) -> str:
        self._expanded += 1
        field = field_of(test.field)
        if field is None or field.scope != "segment":
            return predicate(test, self.statement)
        if flaw := self._flaw(field.segment_id, trail):
            self.errors.append(FieldError(field=f"{path}.field", message=flaw, code="custom"))
            return "false"
        member = self._member(field, path, trail)
        return member if test.operator == "memberOfSegment" else f"({member}) is not true"

    def _member(self, field: Field, path: str, trail: Trail) -> str:
        """Is the contact in the segment? What is wrong further on is told of the filter that leads there."""
        definition = self._segments[field.segment_id]
        if definition is None:
            return is_listed(field, self.statement)
        before = len(self.errors)
        member = self.condition(definition, path, (*trail, field.segment_id))
        self.errors[before:] = [replace(error, field=f"{path}.field") for error in self.errors[before:]]
        return member

    def _flaw(self, segment: UUID, trail: Trail) -> str | None:
        if segment in trail:
            return "A segment cannot reference itself" if trail == (segment,) else "Circular segment reference detected"
        if segment not in self._segments:
            return f"Referenced segment not found: {segment}"
        if self._expanded > MAX_EXPANDED:
            return f"With the segments that it refers to, the condition has more than {MAX_EXPANDED} filters"
        return None


def _as_a_whole(condition: Condition, root: str) -> list[FieldError]:
    if len(encode(condition)) > MAX_BYTES:
        return [FieldError(field=root, message=f"Condition is larger than {MAX_BYTES} bytes", code="too_big")]
    if reason := refusal(msgspec.to_builtins(condition)):
        return [FieldError(field=root, message=f"Condition {reason}", code="invalid_json")]
    return []


def _refused(errors: list[FieldError]) -> Rejected:
    return invalid_fields(errors, errors[0].message)


def _joined(logic: str, parts: Sequence[str]) -> str:
    return "(" + f" {logic.lower()} ".join(parts) + ")"
