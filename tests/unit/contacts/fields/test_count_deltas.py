"""Counting fields by what changes."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.base import Data
from services.contacts.fields.count_deltas import CountDeltas, choice_of, type_of

P = UUID(int=1)
DATA = st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2.5, True, False, "x", "2025-03-01", [], {}, ""]))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("pro", "string"),
        (42, "number"),
        (9.99, "number"),
        (True, "boolean"),
        ("2025-03-01T00:00:00Z", "date"),
        ("2025-03-01", "date"),
        ("2025-13-01", "string"),
        ([1], "string"),
    ],
)
def test_types_are_inferred_as_the_guide_says(value: object, kind: str) -> None:
    assert type_of(value) == kind


def test_only_short_plain_values_can_be_chosen() -> None:
    assert [choice_of("pro"), choice_of(1), choice_of(True)] == ['"pro"', "1", "true"]
    assert [choice_of("x" * 200), choice_of([1]), choice_of({})] == [None, None, None]


@given(st.lists(st.tuples(DATA, DATA)))
def test_whatever_changes_in_between_the_counts_are_those_of_the_end(changes: list[tuple[Data, Data]]) -> None:
    stepwise, at_once = CountDeltas(), CountDeltas()
    for before, after in changes:
        stepwise.add_created(P, before)
        stepwise.add_updated(P, before, after)
        at_once.add_created(P, after)
    assert +stepwise.types == +at_once.types and +stepwise.values == +at_once.values
    assert stepwise.contacts == at_once.contacts
