"""Contacts as CSV (RFC 4180) that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Iterable, Sequence

from libs.runtime.eventstore.codec import encode
from libs.schemas.contacts.contacts import ContactView

OWN = ("email", "subscribed", "createdAt", "updatedAt", "id")
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a cell begins with that a spreadsheet might calculate, or hand to another program."""


def header(keys: Sequence[str]) -> bytes:
    return _lines([[*OWN, *map(safe, keys)]])


def rows(contacts: Iterable[ContactView], keys: Sequence[str]) -> bytes:
    """A row for each contact; the cell of a key that it does not have is empty."""
    return _lines(
        [
            safe(contact.email),
            cell(contact.subscribed),
            contact.created_at,
            contact.updated_at,
            str(contact.id),
            *(cell(contact.data.get(key)) for key in keys),
        ]
        for contact in contacts
    )


def cell(value: object) -> str:
    """Text as it is, the rest as JSON writes it; nothing for null."""
    if value is None:
        return ""
    return safe(value) if isinstance(value, str) else encode(value).decode()


def safe(text: str) -> str:
    """Text that would be taken for a formula, with a quote before it."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def _lines(cells: Iterable[Sequence[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(cells)
    return written.getvalue().encode()
