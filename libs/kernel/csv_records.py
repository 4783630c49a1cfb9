"""A streaming CSV parser (RFC 4180, in UTF-8) that reports the byte offset at which each record ends.

It is strict, because misreading a file is worse than refusing it: bytes that are not UTF-8, a NUL, a quote that is
never closed or is followed by text, and a field or a row beyond the limits raise InvalidCsv. A byte order mark is
skipped, rows may differ in length, and lines may end in LF, CR LF or CR.
"""

import csv
from collections.abc import Iterator, Sequence

import msgspec

BOM = b"\xef\xbb\xbf"
DELIMITERS = (",", ";", "\t")

MAX_COLUMNS = 200
MAX_FIELD_BYTES = 64 * 1024
MAX_ROW_BYTES = 256 * 1024

csv.field_size_limit(MAX_FIELD_BYTES)


class InvalidCsv(ValueError):
    """Raised when the file cannot be parsed from this row on. `row` counts from 1, the row of the column names."""

    def __init__(self, row: int, reason: str, code: str = "invalid_csv") -> None:
        super().__init__(f"Row {row} {reason}")
        self.row = row
        self.code = code


class Record(msgspec.Struct, frozen=True):
    """One row. `end` is the byte offset of the next row in the file. A blank line has no cells."""

    row: int
    cells: Sequence[str]
    end: int


class RecordReader:
    """A parser that is fed a file in pieces. To resume in the middle, start with the `row` and the `end` of a record.

    It holds one piece and the beginning of one record in memory, however large the file is. `row` and `offset` belong
    to the last record that it returned.
    """

    def __init__(self, delimiter: str | None = None, *, row: int = 0, offset: int = 0) -> None:
        self.delimiter = delimiter
        self.row = row
        self.offset = offset
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Record]:
        """Yield the records that this piece completes. Raise InvalidCsv."""
        lines = (self._rest + piece).splitlines(keepends=True)
        # a line without LF may continue in the next piece, and the LF of a CR may still follow
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        yield from self._parse(lines, last=False)
        if len(self._rest) > MAX_ROW_BYTES:
            raise InvalidCsv(self.row + 1, f"exceeds {MAX_ROW_BYTES} bytes, or has an unclosed quote")

    def finish(self) -> Iterator[Record]:
        """Yield the last record if no line break ended it. Raise InvalidCsv."""
        lines, self._rest = self._rest.splitlines(keepends=True), b""
        yield from self._parse(lines, last=True)

    def _parse(self, lines: Sequence[bytes], *, last: bool) -> Iterator[Record]:
        source = _Lines(lines, self.offset, self.row)
        done = 0
        reader = csv.reader(source, delimiter=self._delimiter_of(lines), strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if source.exhausted and not last:
                    break  # a quoted field continues in the next piece
                raise InvalidCsv(self.row + 1, f"is not valid CSV: {error}") from error
            done, self.offset = source.taken, source.offset
            self.row = source.row = self.row + 1
            if len(cells) > MAX_COLUMNS:
                raise InvalidCsv(self.row, f"has more than {MAX_COLUMNS} columns", "too_many_columns")
            yield Record(self.row, cells, self.offset)
        self._rest = b"".join(lines[done:]) + self._rest

    def _delimiter_of(self, lines: Sequence[bytes]) -> str:
        """Return the delimiter, detected in the first line of the file."""
        if self.delimiter is None and lines:
            self.delimiter = detect_delimiter(lines[0])
        return self.delimiter or DELIMITERS[0]


class _Lines:
    """An iterator that decodes lines for the CSV reader and counts the lines and bytes that it consumed."""

    def __init__(self, lines: Sequence[bytes], offset: int, row: int) -> None:
        self._lines = lines
        self.taken = 0
        self.offset = offset
        self.row = row
        self.exhausted = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.taken == len(self._lines):
            self.exhausted = True
            raise StopIteration
        line = self._lines[self.taken]
        text = _text(line.removeprefix(BOM) if self.offset == 0 else line, self.row + 1)
        self.taken += 1
        self.offset += len(line)
        return text


def detect_delimiter(header: bytes) -> str:
    """Return the delimiter that splits the header line into the most columns; the comma if none does."""
    line = _text(header.removeprefix(BOM), 1)
    try:
        return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([line], delimiter=delimiter), [])))
    except csv.Error as error:
        raise InvalidCsv(1, f"is not valid CSV: {error}") from error


def _text(line: bytes, row: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InvalidCsv(row, f"is not valid UTF-8 ({error.reason})", "invalid_encoding") from error
    if "\0" in text:
        raise InvalidCsv(row, "contains a NUL character", "invalid_string")
    return text
