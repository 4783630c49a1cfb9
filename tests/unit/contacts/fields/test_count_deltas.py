"""Differences of the counts of fields."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.base import Data
from services.contacts.fields.count_deltas import CountDeltas, choice_of, type_of

P = UUID(int=1)
DATA = st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2.5, True, False, "x", "2025-03-01", [], {}, ""]))


@pytest.mark.parametrize(
    ("value", "field_type"),
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
def test_types_are_inferred_from_values(value: object, field_type: str) -> None:
    assert type_of(value) == field_type


def test_only_short_scalar_values_are_choices() -> None:
    assert [choice_of("pro"), choice_of(1), choice_of(True)] == ['"pro"', "1", "true"]
    assert [choice_of("x" * 200), choice_of([1]), choice_of({})] == [None, None, None]


@given(st.lists(st.tuples(DATA, DATA)))
def test_intermediate_changes_do_not_affect_the_final_counts(changes: list[tuple[Data, Data]]) -> None:
    stepwise, at_once = CountDeltas(), CountDeltas()
    for before, after in changes:
        stepwise.add_created(P, before)
        stepwise.add_updated(P, before, after)
        at_once.add_created(P, after)
    assert +stepwise.types == +at_once.types and +stepwise.values == +at_once.values
    assert stepwise.contacts == at_once.contacts
