"""API keys: how they are made, and whose they are.

`sk_` keys may do everything that their project may; `pk_` keys, which live in browsers and apps, may only track.
A key is 43 random base-62 digits, so a plain SHA-256 of it is all that needs to be kept.
"""

import secrets
import time
from hashlib import sha256
from uuid import UUID
from zlib import crc32

import asyncpg
import msgspec

from libs.schemas.gateway import KeyIssued, KeyKind
from services.gateway.accounts.read_models import api_key

PREFIXES: dict[KeyKind, str] = {"secret": "sk_", "public": "pk_"}
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 8
RANDOM_LENGTH = 43
CHECK_LENGTH = 6
KNOWN_FOR_SECONDS = 5.0
MAX_KNOWN = 10_000
TIMEOUT = 5.0


class Principal(msgspec.Struct, frozen=True):
    """Who makes a request: a project, by one of its keys."""

    project: UUID
    key_id: UUID
    kind: KeyKind

    @property
    def actor(self) -> str:
        """How logs and events name the caller."""
        return f"key:{self.key_id}"


class Known(msgspec.Struct, frozen=True):
    principal: Principal
    until: float


class Keys:
    """Whose a key is. What was found is believed for five seconds: so long may a key work after its end."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._known: dict[bytes, Known] = {}

    async def principal_of(self, key: bytes) -> Principal | None:
        """The caller who has this key. None if nobody has."""
        digest = sha256(key).digest()
        known = self._known.get(digest)
        if known and known.until > time.monotonic():
            return known.principal
        return await self._look_up(digest)

    async def _look_up(self, digest: bytes) -> Principal | None:
        async with self._pool.acquire(timeout=TIMEOUT) as conn:
            found = await api_key.by_fingerprint(conn, digest.hex())
        self._known.pop(digest, None)
        if found is None:
            return None
        principal = Principal(found["project"], found["id"], found["kind"])
        self._remember(digest, principal)
        return principal

    def _remember(self, digest: bytes, principal: Principal) -> None:
        self._known[digest] = Known(principal, time.monotonic() + KNOWN_FOR_SECONDS)
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]


def generate(kind: KeyKind) -> str:
    """A new key: prefix, an id to recognise it by, 43 random digits, and a check by which scanners know it as ours."""
    text = PREFIXES[kind] + "".join(secrets.choice(DIGITS) for _ in range(ID_LENGTH + RANDOM_LENGTH))
    return text + _check(text)


def key_issued(key: str, key_id: UUID) -> KeyIssued:
    """The fact that a project has this key from now on."""
    kind: KeyKind = "public" if key.startswith(PREFIXES["public"]) else "secret"
    return KeyIssued(
        key_id=key_id, kind=kind, fingerprint=sha256(key.encode()).hexdigest(), hint=f"{key[:3]}…{key[-4:]}"
    )


def _check(text: str) -> str:
    number, digits = crc32(text.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
