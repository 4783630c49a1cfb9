"""What a batch of changes adds to the counts of contacts and of their custom fields. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TypeAlias
from uuid import UUID

from libs.kernel.conditions.values import parse_instant
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Data
from libs.schemas.contacts.fields import FieldType

LONGEST_VALUE = 100
"""Characters of JSON. A longer text is not one to choose from a list."""

SCALARS = frozenset((str, bool, int, float))

Found: TypeAlias = tuple[str, type, object]
"""A field, the type of what somebody has there, and what it is, if that can be told: 1 and true are not the same."""

Value: TypeAlias = tuple[UUID, str, str]
"""A project, a field, and the JSON of a value."""


class Tally:
    """Differences: a contact that came adds, one that went takes away, one that changed does both.

    Contacts of a batch mostly have the same few values, so these are counted as they are and looked at once each.
    """

    def __init__(self) -> None:
        self.contacts: Counter[UUID] = Counter()
        self._found: defaultdict[UUID, Counter[Found]] = defaultdict(Counter)

    def came(self, project: UUID, data: Data) -> None:
        self.contacts[project] += 1
        self._add(project, data, 1)

    def went(self, project: UUID, data: Data) -> None:
        self.contacts[project] -= 1
        self._add(project, data, -1)

    def changed(self, project: UUID, before: Data, after: Data) -> None:
        self._add(project, before, -1)
        self._add(project, after, 1)

    @property
    def kinds(self) -> Counter[tuple[UUID, str, FieldType]]:
        """By project, field and type."""
        counts: Counter[tuple[UUID, str, FieldType]] = Counter()
        for project, field, value, count in self._each():
            counts[project, field, kind_of(value)] += count
        return counts

    @property
    def values(self) -> Counter[Value]:
        """By project, field and value, for values that a list of choices can offer."""
        counts: Counter[Value] = Counter()
        for project, field, value, count in self._each():
            if (choice := choice_of(value)) is not None:
                counts[project, field, choice] += count
        return counts

    def _add(self, project: UUID, data: Data, sign: int) -> None:
        found = self._found[project]
        for field, value in data.items():
            kind = type(value)
            found[field, kind, value if kind in SCALARS else None] += sign

    def _each(self) -> Iterator[tuple[UUID, str, object, int]]:
        for project, found in self._found.items():
            for (field, _, value), count in found.items():
                yield project, field, value, count


def kind_of(value: object) -> FieldType:
    """The type of a value, as the guide names them. Lists and objects count as text."""
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
    """The value as JSON, if it is one that a list of choices can offer."""
    if not isinstance(value, str | bool | int | float):
        return None
    written = encode(value).decode()
    return written if len(written) <= LONGEST_VALUE else None
