"""Rate limits: how many requests a project or another owner may make. Each has a token bucket that refills evenly.

The buckets belong to this process. Behind several gateways an owner has a bucket in each, so its total limit is up to
that many times higher.
"""

import math
import time
from collections import Counter
from collections.abc import Hashable
from uuid import UUID

import msgspec

MAX_BUCKETS = 10_000
MAX_REQUESTS_PER_PROJECT = 512
"""How many requests of one project a process handles at once: a quarter of what it handles in all."""


class TokenBucket(msgspec.Struct):
    tokens: float
    filled_at: float


class RateLimitState(msgspec.Struct, frozen=True):
    """The state of a limit after a request. `remaining` is negative if the request was one too many."""

    limit: int
    remaining: int
    full_in: int
    next_in: int

    @property
    def allowed(self) -> bool:
        return self.remaining >= 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the `RateLimit-*` headers, with times in seconds."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % max(self.remaining, 0)),
            (b"ratelimit-reset", b"%d" % self.full_in),
        ]


class RateLimiter:
    """Takes a token for each request. A bucket holds `per_minute` tokens and gains as many each minute."""

    def __init__(self, per_minute: int) -> None:
        self._size = per_minute
        self._rate = per_minute / 60
        self._buckets: dict[Hashable, TokenBucket] = {}

    def take(self, owner: Hashable) -> RateLimitState:
        bucket = self._filled(owner, time.monotonic())
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        return RateLimitState(
            limit=self._size,
            remaining=int(bucket.tokens) if allowed else -1,
            full_in=math.ceil((self._size - bucket.tokens) / self._rate),
            next_in=0 if allowed else math.ceil((1 - bucket.tokens) / self._rate),
        )

    def _filled(self, owner: Hashable, now: float) -> TokenBucket:
        bucket = self._buckets.get(owner)
        if bucket is None:
            self._make_room()
            bucket = self._buckets[owner] = TokenBucket(float(self._size), now)
        bucket.tokens = min(self._size, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        return bucket

    def _make_room(self) -> None:
        if len(self._buckets) >= MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]


class Slots:
    """Counts what is being handled: at most `per_owner` of one project or other owner, and at most `total` of all."""

    def __init__(self, per_owner: int, total: float = math.inf) -> None:
        self._per_owner = per_owner
        self._free = total
        self._taken: Counter[UUID | None] = Counter()

    def take(self, owner: UUID | None) -> bool:
        """Take a slot of the owner, unless all are taken. `release` gives it back."""
        if not self._free or self._taken[owner] >= self._per_owner:
            return False
        self._free -= 1
        self._taken[owner] += 1
        return True

    def release(self, owner: UUID | None) -> None:
        self._free += 1
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
