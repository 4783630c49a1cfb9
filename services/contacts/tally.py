"""What a batch of changes adds to the counts of contacts and of their custom fields. Pure."""

from collections import Counter
from uuid import UUID

from libs.runtime.codec import encode
from libs.runtime.conditions.values import instant
from libs.schemas.base import Data
from libs.schemas.fields import FieldType

LONGEST_VALUE = 100
"""Characters of JSON. A longer text is not one to choose from a list."""


class Tally:
    """Differences: a contact that came adds, one that went takes away, one that changed does both."""

    def __init__(self) -> None:
        self.contacts: Counter[UUID] = Counter()
        self.kinds: Counter[tuple[UUID, str, FieldType]] = Counter()
        self.values: Counter[tuple[UUID, str, str]] = Counter()

    def came(self, project: UUID, data: Data) -> None:
        self.contacts[project] += 1
        self._add(project, data, 1)

    def went(self, project: UUID, data: Data) -> None:
        self.contacts[project] -= 1
        self._add(project, data, -1)

    def changed(self, project: UUID, before: Data, after: Data) -> None:
        self._add(project, before, -1)
        self._add(project, after, 1)

    def _add(self, project: UUID, data: Data, sign: int) -> None:
        for field, value in data.items():
            self.kinds[project, field, kind_of(value)] += sign
            if (choice := choice_of(value)) is not None:
                self.values[project, field, choice] += sign


def kind_of(value: object) -> FieldType:
    """The type of a value, as the guide names them. Lists and objects count as text."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str() if instant(value) is not None:
            return "date"
        case _:
            return "string"


def choice_of(value: object) -> str | None:
    """The value as JSON, if it is one that a list of choices can offer."""
    if not isinstance(value, str | bool | int | float):
        return None
    written = encode(value).decode()
    return written if len(written) <= LONGEST_VALUE else None
