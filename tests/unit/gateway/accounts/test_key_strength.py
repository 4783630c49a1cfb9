"""Which keys are too easy to guess."""

from secrets import token_hex

import pytest

from services.gateway.accounts import keys
from services.gateway.accounts.key_strength import weakness_of

RANDOM = "8d54f3fae94ccd286f25c676d06412888d18f3a1ed6763a6f449cd7e4bb26f0a"


def test_random_keys_are_strong() -> None:
    for _ in range(500):
        assert weakness_of(keys.generate("secret"), "sk_") is None
        assert weakness_of("pk_" + token_hex(24), "pk_") is None
        assert weakness_of("pk_" + token_hex(32), "pk_") is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("pk_" + RANDOM, "must start with sk_"),
        ("sk_" + RANDOM[:30], "at least 32 characters"),
        ("sk_" + "ab12" * 10, "at least 10 different characters"),
        ("sk_" + "0123456789" * 4, "without runs"),
        ("sk_" + "passworded-by-us" * 3, "without repetitions"),
        ("sk_" + "ö" * 40, "printable ASCII"),
        ("sk_ " + RANDOM, "without spaces"),
    ],
)
def test_a_weak_key_is_named_with_its_reason(key: str, reason: str) -> None:
    assert reason in (weakness_of(key, "sk_") or "")
