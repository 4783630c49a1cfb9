"""The meaning of a file's rows."""

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from services.contacts.jobs.import_row import contact_of, parse_cell, parse_columns


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1),
        ("1.0", 1.0),
        ("-2.5", -2.5),
        (" 3 ", 3),
        ("TRUE", True),
        ("yes", True),
        ("False", False),
        ("no", False),
        ("007", "007"),
        ("+49", "+49"),
        ("1e5", "1e5"),
        ("1234567890123456789", "1234567890123456789"),
        ("٣", "٣"),
        ("nan", "nan"),
        (" a b ", "a b"),
    ],
)
def test_cells_are_parsed_as_booleans_numbers_or_text(cell: str, value: object) -> None:
    found = parse_cell(cell)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("cell", "subscribed"),
    [("true", True), ("YES", True), ("1", True), ("0", False), ("false", False), ("maybe", False), (" ", None)],
)
def test_an_empty_subscribed_cell_keeps_the_subscription(cell: str, subscribed: bool | None) -> None:
    columns = parse_columns(["Subscribed", "email"])
    assert contact_of(columns, [cell, "a@x.io"], uuid7()).subscribed is subscribed


def test_column_names_keep_their_case_and_rows_may_be_ragged() -> None:
    columns = parse_columns([" firstName ", "EMAIL", "", "Plan"])
    command = contact_of(columns, ["Ann", "a@x.io"], uuid7())
    assert (command.email, command.data, command.subscribed) == ("a@x.io", {"firstName": "Ann"}, None)
    assert contact_of(columns, ["", "a@x.io", "x", "pro", "y"], uuid7()).data == {"Plan": "pro"}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (["name"], "missing_column"),
        ([], "missing_column"),
        (["email", "a", "a"], "duplicate_column"),
        (["Email", "email"], "duplicate_column"),
        (["email", "x" * 256], "too_big"),
    ],
)
def test_unusable_columns_are_rejected(header: list[str], code: str) -> None:
    with pytest.raises(Rejected) as rejection:
        parse_columns(header)
    assert [error.code for error in rejection.value.errors] == [code]
