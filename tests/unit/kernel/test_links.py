"""The tokens of signed links."""

import hmac
from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.links import (
    InvalidToken,
    KeyRing,
    LinkTarget,
    sign,
    verify,
)

KEY = KeyRing(("k" * 32,))
TARGET = LinkTarget(uuid4(), uuid4(), uuid4())


def test_a_token_verifies_to_its_target() -> None:
    assert verify(KEY, sign(KEY, TARGET)) == TARGET


def test_a_token_that_was_signed_with_another_key_is_rejected() -> None:
    with pytest.raises(InvalidToken):
        verify(KeyRing(("x" * 32,)), sign(KEY, TARGET))


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


def test_the_first_key_signs_and_every_key_verifies() -> None:
    old, new = sign(KEY, TARGET), KeyRing.parse("n" * 32 + ", " + "k" * 32)
    assert verify(new, old) == TARGET
    assert sign(new, TARGET) == sign(KeyRing(("n" * 32,)), TARGET)
    with pytest.raises(InvalidToken):
        verify(KEY, sign(new, TARGET))


def test_a_token_of_version_1_stays_valid() -> None:
    payload = b"\x01" + TARGET.project.bytes + TARGET.contact_id.bytes + TARGET.email_id.bytes
    mac = hmac.digest(KEY.keys[0].encode(), b"godwit.link" + payload, "sha256")[:16]
    assert verify(KEY, urlsafe_b64encode(payload + mac).rstrip(b"=").decode()) == TARGET


def test_what_was_signed_for_another_purpose_is_rejected() -> None:
    payload = b"\x02" + TARGET.project.bytes + TARGET.contact_id.bytes + TARGET.email_id.bytes
    mac = hmac.digest(KEY.keys[0].encode(), b"godwit.link" + payload, "sha256")[:16]
    with pytest.raises(InvalidToken):
        verify(KEY, urlsafe_b64encode(payload + mac).rstrip(b"=").decode())


@pytest.mark.parametrize("text", ["", "short", "k" * 32 + ",", "k" * 32 + ",short"])
def test_a_ring_with_a_short_key_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        KeyRing.parse(text)
