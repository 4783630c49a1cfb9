"""CSV (RFC 4180) whose cells no spreadsheet takes for formulas. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence

from libs.runtime.eventstore.codec import encode

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The first characters of a cell that a spreadsheet may calculate or hand to another program."""


def csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Return the rows as CSV. Text stays as it is, null becomes an empty cell, other values are written as JSON."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return _without_formula(value) if isinstance(value, str) else encode(value).decode()


def _without_formula(text: str) -> str:
    """Return the text, with a quote before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
