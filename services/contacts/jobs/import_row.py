"""What the rows of a file mean: its columns, and the contact that a row describes. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from libs.kernel.rejection import invalid
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import SaveContact

YES, NO = {"true", "yes"}, {"false", "no"}
SUBSCRIBED = {"true", "1", "yes"}
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
MAX_DIGITS = 15
"""Of a number that a double keeps as it is written."""

MAX_IN_NAME = 255


class Columns(msgspec.Struct, frozen=True):
    """Where in a row things are. `subscribed` is None if the file does not say."""

    email: int
    subscribed: int | None
    data: Sequence[tuple[int, str]]


def columns_of(header: Sequence[str]) -> Columns:
    """Read the names of columns. `email` and `subscribed` may be written in any case, the others keep theirs; one
    without a name is left out. Raises Rejected for a file without an email column or with two columns of one name."""
    names = [_canonical(cell.strip()) for cell in header]
    if "email" not in names:
        raise refused('CSV must have an "email" column (case-insensitive)', "missing_column")
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        raise refused(f'CSV has more than one column "{twice[0][:MAX_IN_NAME]}"', "duplicate_column")
    if any(len(name) > MAX_IN_NAME for name in names):
        raise refused(f"Names of columns have at most {MAX_IN_NAME} characters", "too_big")
    return Columns(
        email=names.index("email"),
        subscribed=names.index("subscribed") if "subscribed" in names else None,
        data=[(place, name) for place, name in enumerate(names) if name and name not in ("email", "subscribed")],
    )


def contact_of(columns: Columns, cells: Sequence[str], contact_id: UUID) -> SaveContact:
    """The contact that a row describes. An empty cell, or one that is missing, changes nothing."""
    return SaveContact(
        contact_id=contact_id,
        email=_cell(cells, columns.email),
        data=_data(columns, cells),
        subscribed=_subscribed(_cell(cells, columns.subscribed)),
    )


def coerced(cell: str) -> object:
    """true and yes, false and no are booleans; what is written as JSON writes a number is one, and `007` is not."""
    text = cell.strip()
    if NUMBER.fullmatch(text) and sum(map(str.isdigit, text)) <= MAX_DIGITS:
        return float(text) if "." in text else int(text)
    word = text.lower()
    return True if word in YES else False if word in NO else text


def refused(message: str, code: str) -> Exception:
    return invalid("file", message, code)


def _data(columns: Columns, cells: Sequence[str]) -> Data:
    count = len(cells)
    return {name: coerced(cells[place]) for place, name in columns.data if place < count and cells[place].strip()}


def _cell(cells: Sequence[str], place: int | None) -> str:
    """The cell; empty for a column that the file, or this row, does not have."""
    return cells[place] if place is not None and place < len(cells) else ""


def _subscribed(cell: str) -> bool | None:
    text = cell.strip().lower()
    return text in SUBSCRIBED if text else None


def _canonical(name: str) -> str:
    return name.lower() if name.lower() in ("email", "subscribed") else name
