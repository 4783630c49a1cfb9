"""What the rows of a file mean."""

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
def test_a_cell_is_a_boolean_or_a_number_if_it_is_written_as_one(cell: str, value: object) -> None:
    found = parse_cell(cell)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("cell", "subscribed"),
    [("true", True), ("YES", True), ("1", True), ("0", False), ("false", False), ("maybe", False), (" ", None)],
)
def test_a_subscription_is_what_the_cell_says_and_unchanged_where_it_says_nothing(
    cell: str, subscribed: bool | None
) -> None:
    columns = parse_columns(["Subscribed", "email"])
    assert contact_of(columns, [cell, "a@x.io"], uuid7()).subscribed is subscribed


def test_names_of_columns_keep_their_case_and_rows_may_be_ragged() -> None:
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
def test_columns_that_cannot_be_used_are_refused(header: list[str], code: str) -> None:
    with pytest.raises(Rejected) as rejection:
        parse_columns(header)
    assert [error.code for error in rejection.value.errors] == [code]
