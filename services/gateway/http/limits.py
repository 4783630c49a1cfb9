"""How many requests a project may make: a token bucket each, which refills evenly.

The buckets are this process's own. Behind several gateways a project's requests spread over as many buckets, so the
limit of all together is up to that many times as high.
"""

import math
import time
from uuid import UUID

import msgspec

MAX_BUCKETS = 10_000


class Bucket(msgspec.Struct):
    tokens: float
    at: float


class RateLimitState(msgspec.Struct, frozen=True):
    """What a project may still do. `remaining` is negative if this request was one too many."""

    limit: int
    remaining: int
    full_in: int
    next_in: int

    @property
    def allowed(self) -> bool:
        return self.remaining >= 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The `RateLimit-*` headers; times are in seconds."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % max(self.remaining, 0)),
            (b"ratelimit-reset", b"%d" % self.full_in),
        ]


class RateLimiter:
    """Takes a token for each request. `per_minute` is the size of a bucket and what flows into it each minute."""

    def __init__(self, per_minute: int) -> None:
        self._size = per_minute
        self._rate = per_minute / 60
        self._buckets: dict[UUID, Bucket] = {}

    def take(self, project: UUID) -> RateLimitState:
        bucket = self._filled(project, time.monotonic())
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        return RateLimitState(
            limit=self._size,
            remaining=int(bucket.tokens) if allowed else -1,
            full_in=math.ceil((self._size - bucket.tokens) / self._rate),
            next_in=0 if allowed else math.ceil((1 - bucket.tokens) / self._rate),
        )

    def _filled(self, project: UUID, now: float) -> Bucket:
        bucket = self._buckets.get(project)
        if bucket is None:
            self._forget_one()
            bucket = self._buckets[project] = Bucket(float(self._size), now)
        bucket.tokens = min(self._size, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        return bucket

    def _forget_one(self) -> None:
        if len(self._buckets) >= MAX_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
