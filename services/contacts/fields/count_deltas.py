"""How a batch of changes moves the counts of contacts and of their custom fields. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TypeAlias
from uuid import UUID

from libs.kernel.conditions.values import parse_instant
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Data
from libs.schemas.contacts.fields import FieldType

MAX_VALUE_LENGTH = 100
"""Characters of JSON. Longer values are not offered as choices."""

SCALARS = frozenset((str, bool, int, float))

TypedValue: TypeAlias = tuple[str, type, object]
"""A field, the Python type of a contact's value, and the value if it is a scalar. The type tells 1 from true."""

FieldValueKey: TypeAlias = tuple[UUID, str, str]
"""A project, a field, and a value as JSON."""


class CountDeltas:
    """Differences to add to the stored counts: creating adds, deleting subtracts, updating does both.

    The contacts of a batch mostly share a few values. So each distinct value is classified once, not once per contact.
    """

    def __init__(self) -> None:
        self.contacts: Counter[UUID] = Counter()
        self._typed_values: defaultdict[UUID, Counter[TypedValue]] = defaultdict(Counter)

    def add_created(self, project: UUID, data: Data) -> None:
        self.contacts[project] += 1
        self._add(project, data, 1)

    def add_deleted(self, project: UUID, data: Data) -> None:
        self.contacts[project] -= 1
        self._add(project, data, -1)

    def add_updated(self, project: UUID, before: Data, after: Data) -> None:
        self._add(project, before, -1)
        self._add(project, after, 1)

    @property
    def types(self) -> Counter[tuple[UUID, str, FieldType]]:
        """Return the differences by project, field and type."""
        counts: Counter[tuple[UUID, str, FieldType]] = Counter()
        for project, field, value, count in self._each():
            counts[project, field, type_of(value)] += count
        return counts

    @property
    def values(self) -> Counter[FieldValueKey]:
        """Return the differences by project, field and value, for values that can be offered as choices."""
        counts: Counter[FieldValueKey] = Counter()
        for project, field, value, count in self._each():
            if (choice := choice_of(value)) is not None:
                counts[project, field, choice] += count
        return counts

    def _add(self, project: UUID, data: Data, sign: int) -> None:
        typed_values = self._typed_values[project]
        for field, value in data.items():
            kind = type(value)
            typed_values[field, kind, value if kind in SCALARS else None] += sign

    def _each(self) -> Iterator[tuple[UUID, str, object, int]]:
        for project, typed_values in self._typed_values.items():
            for (field, _, value), count in typed_values.items():
                yield project, field, value, count


def type_of(value: object) -> FieldType:
    """Return the field type of a value. Lists and objects count as text."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str() if parse_instant(value) is not None:
            return "date"
        case _:
            return "string"


def choice_of(value: object) -> str | None:
    """Return the value as JSON, or None if it cannot be offered as a choice."""
    if not isinstance(value, str | bool | int | float):
        return None
    written = encode(value).decode()
    return written if len(written) <= MAX_VALUE_LENGTH else None
