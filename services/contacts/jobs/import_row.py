"""The meaning of a file's rows: its columns, and the contact that a row describes. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from libs.schemas.base import Data
from libs.schemas.contacts.contacts import SaveContact
from services.contacts.jobs.errors import invalid_file

TRUE, FALSE = {"true", "yes"}, {"false", "no"}
SUBSCRIBED = {"true", "1", "yes"}
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
MAX_DIGITS = 15
"""A float keeps numbers with up to this many digits as they are written."""

MAX_COLUMN_NAME = 255


class Columns(msgspec.Struct, frozen=True):
    """The positions of a row's cells. `subscribed` is None if the file has no such column."""

    email: int
    subscribed: int | None
    data: Sequence[tuple[int, str]]


def parse_columns(header: Sequence[str]) -> Columns:
    """Return the columns that the header names.

    `email` and `subscribed` may be written in any case, other names keep theirs, and a column without a name is left
    out. Raise Rejected for a file without an email column, or with two columns of one name.
    """
    names = [_canonical(cell.strip()) for cell in header]
    if "email" not in names:
        raise invalid_file('CSV must have an "email" column (case-insensitive)', "missing_column")
    if repeated := [name for name, count in Counter(names).items() if name and count > 1]:
        raise invalid_file(f'CSV has more than one column "{repeated[0][:MAX_COLUMN_NAME]}"', "duplicate_column")
    if any(len(name) > MAX_COLUMN_NAME for name in names):
        raise invalid_file(f"Column names must have at most {MAX_COLUMN_NAME} characters", "too_big")
    return Columns(
        email=names.index("email"),
        subscribed=names.index("subscribed") if "subscribed" in names else None,
        data=[(position, name) for position, name in enumerate(names) if name and name not in ("email", "subscribed")],
    )


def contact_of(columns: Columns, cells: Sequence[str], contact_id: UUID) -> SaveContact:
    """Return the contact that a row describes. An empty or missing cell changes nothing."""
    return SaveContact(
        contact_id=contact_id,
        email=_cell(cells, columns.email),
        data=_data(columns, cells),
        subscribed=_subscribed(_cell(cells, columns.subscribed)),
    )


def parse_cell(cell: str) -> object:
    """Return the cell as a boolean (true, yes, false, no), as a number in the notation of JSON (`007` is not), or as
    text."""
    text = cell.strip()
    if NUMBER.fullmatch(text) and sum(map(str.isdigit, text)) <= MAX_DIGITS:
        return float(text) if "." in text else int(text)
    word = text.lower()
    return True if word in TRUE else False if word in FALSE else text


def _data(columns: Columns, cells: Sequence[str]) -> Data:
    return {
        name: parse_cell(cells[position])
        for position, name in columns.data
        if position < len(cells) and cells[position].strip()
    }


def _cell(cells: Sequence[str], position: int | None) -> str:
    """Return the cell; empty if the file or this row does not have the column."""
    return cells[position] if position is not None and position < len(cells) else ""


def _subscribed(cell: str) -> bool | None:
    text = cell.strip().lower()
    return text in SUBSCRIBED if text else None


def _canonical(name: str) -> str:
    return name.lower() if name.lower() in ("email", "subscribed") else name
