"""API keys and rate limits."""

from collections.abc import Iterator
from types import SimpleNamespace
from uuid import uuid4

import pytest

from services.gateway.accounts import keys
from services.gateway.http import limits
from services.gateway.http.auth import (
    NO_HEADER,
    NO_KEY,
    NOT_BEARER,
    bearer_key,
)
from services.gateway.http.errors import ApiError
from services.gateway.http.limits import RateLimiter

PROJECT = uuid4()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1000.0]
    monkeypatch.setattr("services.gateway.http.limits.time", SimpleNamespace(monotonic=lambda: now[0]))
    yield now


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, NO_HEADER),
        (b"Basic abc", NOT_BEARER),
        (b"Bearer sk_1 sk_2", NOT_BEARER),
        (b"sk_1", NOT_BEARER),
        (b"Bearer", NO_KEY),
        (b"Bearer   ", NO_KEY),
    ],
)
def test_a_request_without_a_key_gets_an_error_that_says_what_is_missing(header: bytes | None, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        bearer_key(header)
    assert (raised.value.status, raised.value.code, raised.value.message) == (401, "MISSING_AUTH", message)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_the_key_is_what_follows_bearer_in_any_case(scheme: bytes) -> None:
    assert bearer_key(scheme + b" sk_1") == b"sk_1"


def test_generated_keys_start_with_their_kind_and_differ() -> None:
    made = {keys.generate("secret") for _ in range(50)}
    assert len(made) == 50
    assert all(key.startswith("sk_") and len(key) == 3 + 8 + 43 + 6 and key[3:].isalnum() for key in made)
    assert keys.generate("public").startswith("pk_")


def test_only_the_fingerprint_and_a_hint_of_a_key_are_recorded() -> None:
    key = keys.generate("public")
    fact = keys.key_issued(key, uuid4())
    assert (fact.kind, len(fact.fingerprint), fact.hint) == ("public", 64, f"pk_…{key[-4:]}")
    assert key not in repr(fact)


def test_a_bucket_empties_and_refills_over_time(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=60)
    taken = [limiter.take(PROJECT) for _ in range(61)]
    assert [each.allowed for each in taken] == [True] * 60 + [False]
    assert [each.remaining for each in taken[:2]] == [59, 58]
    assert (taken[-1].next_in, taken[-1].full_in) == (1, 60)
    clock[0] += 1
    assert limiter.take(PROJECT).allowed
    assert not limiter.take(PROJECT).allowed


def test_a_bucket_never_holds_more_than_a_minute_of_requests(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=2)
    clock[0] += 3600
    assert [limiter.take(PROJECT).allowed for _ in range(3)] == [True, True, False]


def test_projects_do_not_share_a_bucket(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=1)
    assert limiter.take(uuid4()).allowed
    assert limiter.take(uuid4()).allowed


def test_the_number_of_buckets_is_bounded(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 3)
    limiter = RateLimiter(per_minute=1)
    assert all(limiter.take(uuid4()).allowed for _ in range(10))
    assert len(limiter._buckets) == 3


def test_the_headers_have_limit_remaining_and_reset(clock: list[float]) -> None:
    limiter = RateLimiter(per_minute=60)
    assert limiter.take(PROJECT).headers() == [
        (b"ratelimit-limit", b"60"),
        (b"ratelimit-remaining", b"59"),
        (b"ratelimit-reset", b"1"),
    ]
