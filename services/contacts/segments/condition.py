"""Compiles conditions to SQL: nested groups of filters become one predicate over a contact's row.

The predicate consists of fixed pieces and `$n`; every value of the caller, including names and paths, is a bound
argument. A filter on another segment is replaced by that segment's own condition, so it is never out of date.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.conditions.check import filters_of, flaws
from libs.kernel.conditions.cost import cost_flaws
from libs.kernel.conditions.language import Field, field_of
from libs.kernel.rejection import Rejected, invalid_fields
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import FieldError
from libs.schemas.contacts.contacts import Condition, Filter, Group
from services.contacts.contacts.data import json_flaw
from services.contacts.segments.filters import PredicateBuilder, is_listed, predicate

MAX_BYTES = 64 * 1024
MAX_EXPANDED = 500
"""Filters of a condition and of all segments that it refers to, directly or indirectly."""

SegmentConditions: TypeAlias = Mapping[UUID, Condition | None]
"""The conditions of segments by id. None stands for a static segment, whose members are on a list."""

SegmentPath: TypeAlias = tuple[UUID, ...]
"""The segments whose conditions led to the one being compiled."""


class Predicate(msgspec.Struct, frozen=True):
    """A condition as SQL over table `contact`.

    `sql` is true for the rows that match, and false or null for the others. It belongs in a statement whose `$1` is
    their project and in which `joins`, with at most one row per contact, follow the table. `turning_points` are
    expressions over the same row: times from now on at which time alone may change the result.
    """

    sql: str
    joins: str = ""
    args: Sequence[object] = ()
    turning_points: Sequence[str] = ()


EVERYONE = Predicate("true")


def compile_condition(
    condition: Condition,
    segments: SegmentConditions | None = None,
    *,
    after: int = 0,
    root: str = "condition",
    own_id: UUID | None = None,
) -> Predicate:
    """Return the condition as SQL, with its arguments numbered from `after` + 1.

    `segments` are those that it refers to, directly or indirectly; `own_id` is the segment whose condition it is.
    Raise Rejected with the path of every error, such as `condition.groups.0.filters.1.operator`.
    """
    check_condition(condition, root)
    compiler = _Compiler(segments or {}, after)
    sql = compiler.condition(condition, root, (own_id,) if own_id else ())
    if compiler.errors:
        raise _rejected(compiler.errors)
    builder = compiler.builder
    return Predicate(sql, builder.joins, builder.values, builder.turning_points)


def check_condition(condition: Condition, root: str = "condition") -> None:
    """Raise Rejected with every error of the condition that does not depend on other segments."""
    if errors := _size_errors(condition, root) or flaws(condition, root):
        raise _rejected(errors)


def check_cost(condition: Condition, segments: SegmentConditions, root: str = "condition") -> None:
    """Raise Rejected if the condition, which compiles with these segments, is too expensive.

    Conditions are checked when they are saved, and when they are used without being saved.
    """
    if errors := cost_flaws(condition, segments, root):
        raise _rejected(errors)


def referenced_segments(condition: Condition) -> set[UUID]:
    """Return the ids of the segments that the condition names, without malformed ids."""
    fields = (field_of(test.field) for test in filters_of(condition))
    return {field.segment_id for field in fields if field and field.scope == "segment"}


def topics(condition: Condition) -> set[str]:
    """Return the events and activities that may change the result for a contact, besides changes of the contact."""
    fields = (field_of(test.field) for test in filters_of(condition))
    return {f"{field.scope}.{field.name}" for field in fields if field and field.scope in ("event", "activity")}


class _Compiler:
    def __init__(self, segments: SegmentConditions, after: int) -> None:
        self.builder = PredicateBuilder(after)
        self.errors: list[FieldError] = []
        self._segments = segments
        self._expanded = 0

    def condition(self, condition: Condition, path: str, ancestors: SegmentPath) -> str:
        groups = [self._group(g, f"{path}.groups.{i}", ancestors) for i, g in enumerate(condition.groups)]
        return _joined(condition.logic, groups)

    def _group(self, group: Group, path: str, ancestors: SegmentPath) -> str:
        return _joined("AND", list(self._parts(group, path, ancestors)))

    def _parts(self, group: Group, path: str, ancestors: SegmentPath) -> Iterator[str]:
        for number, test in enumerate(group.filters):
            yield self._filter(test, f"{path}.filters.{number}", ancestors)
        if group.conditions:
            yield self.condition(group.conditions, f"{path}.conditions", ancestors)

    def _filter(self, test: Filter, path: str, ancestors: SegmentPath) -> str:
        self._expanded += 1
        field = field_of(test.field)
        if field is None or field.scope != "segment":
            return predicate(test, self.builder)
        if flaw := self._flaw(field.segment_id, ancestors):
            self.errors.append(FieldError(field=f"{path}.field", message=flaw, code="custom"))
            return "false"
        member = self._member(field, path, ancestors)
        return member if test.operator == "memberOfSegment" else f"({member}) is not true"

    def _member(self, field: Field, path: str, ancestors: SegmentPath) -> str:
        """Return SQL that is true for members of the segment. Errors in its condition get the path of this filter."""
        condition = self._segments[field.segment_id]
        if condition is None:
            return is_listed(field, self.builder)
        before = len(self.errors)
        member = self.condition(condition, path, (*ancestors, field.segment_id))
        self.errors[before:] = [replace(error, field=f"{path}.field") for error in self.errors[before:]]
        return member

    def _flaw(self, segment: UUID, ancestors: SegmentPath) -> str | None:
        if segment in ancestors:
            is_self = ancestors == (segment,)
            return "A segment cannot reference itself" if is_self else "Circular segment reference detected"
        if segment not in self._segments:
            return f"Referenced segment not found: {segment}"
        if self._expanded > MAX_EXPANDED:
            return f"The condition and the segments it refers to must have at most {MAX_EXPANDED} filters in total"
        return None


def _size_errors(condition: Condition, root: str) -> list[FieldError]:
    if len(encode(condition)) > MAX_BYTES:
        return [FieldError(field=root, message=f"Condition must be at most {MAX_BYTES} bytes", code="too_big")]
    if reason := json_flaw(msgspec.to_builtins(condition)):
        return [FieldError(field=root, message=f"Condition {reason}", code="invalid_json")]
    return []


def _rejected(errors: list[FieldError]) -> Rejected:
    return invalid_fields(errors, errors[0].message)


def _joined(logic: str, parts: Sequence[str]) -> str:
    return "(" + f" {logic.lower()} ".join(parts) + ")"
