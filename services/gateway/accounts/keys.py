"""API keys: generates them and looks up their projects.

`sk_` keys may do everything that their project may. `pk_` keys, which are used in browsers and apps, may only track.
A key has 43 random base-62 digits, so a plain SHA-256 of it is enough to store.
"""

import secrets
from hashlib import sha256
from uuid import UUID
from zlib import crc32

import asyncpg
import msgspec
from cachetools import TTLCache

from libs.schemas.gateway import KeyIssued, KeyKind
from services.gateway.accounts.read_models import api_key

PREFIXES: dict[KeyKind, str] = {"secret": "sk_", "public": "pk_"}
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 8
RANDOM_LENGTH = 43
CHECKSUM_LENGTH = 6
CACHE_SECONDS = 5.0
MAX_CACHED = 10_000
TIMEOUT = 5.0


class Principal(msgspec.Struct, frozen=True):
    """The caller of a request: a project, identified by one of its keys."""

    project: UUID
    key_id: UUID
    kind: KeyKind

    @property
    def actor(self) -> str:
        """The caller's name in logs and events."""
        return f"key:{self.key_id}"


class Keys:
    """Looks up keys. A result is cached for five seconds, so a revoked key may work that much longer."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._cache: TTLCache[bytes, Principal] = TTLCache(MAX_CACHED, CACHE_SECONDS)

    async def principal_of(self, key: bytes) -> Principal | None:
        """Return the caller with this key. None if there is no such key."""
        digest = sha256(key).digest()
        return self._cache.get(digest) or await self._look_up(digest)

    async def _look_up(self, digest: bytes) -> Principal | None:
        async with self._pool.acquire(timeout=TIMEOUT) as conn:
            found = await api_key.live_by_fingerprint(conn, digest.hex())
        if found is None:
            return None
        principal = self._cache[digest] = Principal(found["project"], found["id"], found["kind"])
        return principal


def generate(kind: KeyKind) -> str:
    """Return a new key: prefix, an id to recognise it by, 43 random digits and a checksum for secret scanners."""
    text = PREFIXES[kind] + "".join(secrets.choice(DIGITS) for _ in range(ID_LENGTH + RANDOM_LENGTH))
    return text + _checksum(text)


def key_issued(key: str, key_id: UUID) -> KeyIssued:
    """Return the event that gives a project this key."""
    kind: KeyKind = "public" if key.startswith(PREFIXES["public"]) else "secret"
    return KeyIssued(key_id=key_id, kind=kind, fingerprint=fingerprint_of(key), hint=f"{key[:3]}…{key[-4:]}")


def fingerprint_of(key: str) -> str:
    """Return the SHA-256 of the key in hex."""
    return sha256(key.encode()).hexdigest()


def _checksum(text: str) -> str:
    number, digits = crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
