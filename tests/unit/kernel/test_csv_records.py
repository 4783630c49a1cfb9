"""The CSV parser: its records do not depend on how the file was cut, and an invalid row is reported."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.csv_records import (
    MAX_COLUMNS,
    MAX_FIELD_BYTES,
    MAX_ROW_BYTES,
    InvalidCsv,
    Record,
    RecordReader,
    detect_delimiter,
)


def read(raw: bytes, size: int = 7) -> list[Record]:
    records = RecordReader()
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    return [record for piece in pieces for record in records.feed(piece)] + list(records.finish())


def cells(raw: bytes, size: int = 7) -> list[list[str]]:
    return [list(record.cells) for record in read(raw, size)]


def test_quoted_fields_may_contain_delimiters_quotes_and_line_breaks() -> None:
    raw = b'email,note\r\na@x.io,"one, ""two""\r\nthree"\r\nb@x.io,\r\n'
    assert cells(raw) == [["email", "note"], ["a@x.io", 'one, "two"\r\nthree'], ["b@x.io", ""]]


def test_a_byte_order_mark_and_a_missing_final_line_break_are_accepted() -> None:
    assert cells("\ufeffemail\nä@x.io".encode()) == [["email"], ["ä@x.io"]]


def test_blank_rows_are_counted_as_in_a_spreadsheet() -> None:
    assert [(r.row, list(r.cells)) for r in read(b"email\n\na@x.io\n")] == [(1, ["email"]), (2, []), (3, ["a@x.io"])]


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_break_ends_a_row(line_break: bytes) -> None:
    assert cells(line_break.join([b"email,a", b"x@x.io,1", b"y@x.io,2"])) == [
        ["email", "a"],
        ["x@x.io", "1"],
        ["y@x.io", "2"],
    ]


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [(b"email,a", ","), (b"email;a", ";"), (b"email\ta,b\tc", "\t"), (b"email", ","), (b'"a;b",email', ",")],
)
def test_the_delimiter_is_the_one_that_yields_the_most_columns(header: bytes, delimiter: str) -> None:
    assert detect_delimiter(header) == delimiter


@pytest.mark.parametrize(
    ("raw", "row", "code"),
    [
        (b"email\na\xff@x.io\n", 2, "invalid_encoding"),
        (b"\xff\xfee\0m\0", 1, "invalid_encoding"),
        (b"email\na\xed\xa0\x80\n", 2, "invalid_encoding"),
        (b"email\na\0@x.io\n", 2, "invalid_string"),
        (b'email\n"a@x.io\nb@x.io\n', 2, "invalid_csv"),
        (b'email,a\nb@x.io,"x"y\n', 2, "invalid_csv"),
        (b"email\n" + b"x" * (MAX_FIELD_BYTES + 1), 2, "invalid_csv"),
        (b"email," + b"x" * (MAX_FIELD_BYTES + 1) + b"\n", 1, "invalid_csv"),
        (b'email\n"' + b"x\n" * MAX_ROW_BYTES, 2, "invalid_csv"),
        (b"," * MAX_COLUMNS + b"\n", 1, "too_many_columns"),
    ],
)
def test_invalid_csv_is_rejected_with_its_row(raw: bytes, row: int, code: str) -> None:
    with pytest.raises(InvalidCsv) as refused:
        read(raw, 4096)
    assert (refused.value.row, refused.value.code) == (row, code)


TEXT = st.text(st.sampled_from('ab,;\t"\r\n ä€😀'), max_size=6)


@given(st.lists(st.lists(TEXT, min_size=2, max_size=3), min_size=1, max_size=8), st.integers(1, 40), st.data())
def test_any_file_parses_the_same_in_any_pieces_and_from_any_row(
    rows: list[list[str]], size: int, data: st.DataObject
) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([["email", "x"], *rows])
    raw = written.getvalue().encode()
    found = read(raw, size)
    assert [list(record.cells) for record in found] == [["email", "x"], *rows]
    last = data.draw(st.sampled_from(found))
    again = RecordReader(",", row=last.row, offset=last.end)
    rest = [*again.feed(raw[last.end :]), *again.finish()]
    assert rest == found[last.row :]
