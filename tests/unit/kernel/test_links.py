"""The tokens of signed links."""

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


def test_a_token_verifies_to_its_target() -> None:
    assert verify(KEY, sign(KEY, TARGET)) == TARGET


def test_a_token_that_was_signed_with_another_key_is_rejected() -> None:
    with pytest.raises(InvalidToken):
        verify("x" * 32, sign(KEY, TARGET))


@given(position=st.integers(0, 86), character=st.sampled_from("ABab01-_"))
def test_a_token_with_a_changed_character_is_rejected(position: int, character: str) -> None:
    token = sign(KEY, TARGET)
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(InvalidToken):
            verify(KEY, changed)


@given(st.text(max_size=120))
def test_arbitrary_text_is_rejected(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify(KEY, token)
