"""A link's token proves that we made it, and says nothing to anybody else."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.links import (
    InvalidToken,
    LinkTarget,
    sign,
    verify,
)

KEY = "k" * 32
TARGET = LinkTarget(uuid4(), uuid4(), uuid4())


def test_a_token_names_what_it_was_made_for() -> None:
    assert verify(KEY, sign(KEY, TARGET)) == TARGET


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidToken):
        verify("x" * 32, sign(KEY, TARGET))


@given(place=st.integers(0, 86), dead_letter=st.sampled_from("ABab01-_"))
def test_a_token_with_one_letter_changed_is_refused(place: int, dead_letter: str) -> None:
    token = sign(KEY, TARGET)
    changed = token[:place] + dead_letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(InvalidToken):
            verify(KEY, changed)


@given(st.text(max_size=120))
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify(KEY, token)
