"""Tokens of the signed links in mails: unsubscribe, subscribe, manage.

A token names a project, a contact and a mail, and carries our signature. It is opaque, cannot be guessed or altered,
and is verified without a database. It does not expire: the link in an old mail must work (RFC 8058 requires it).

The signature covers the purpose, so that nothing else that is ever signed with these keys passes for a link. Tokens of
version 1, in mails that were sent before the purpose had a name, stay valid.
"""

import base64
import binascii
import hmac
from hashlib import sha256
from uuid import UUID

import msgspec

VERSION = b"\x02"
CONTEXTS = {b"\x01": b"godwit.link", VERSION: b"godwit.link/subscription\0"}
"""What the signature covers before the token itself, by version."""

MIN_KEY_LENGTH = 32
MAC_BYTES = 16
PAYLOAD_BYTES = 48


class LinkTarget(msgspec.Struct, frozen=True):
    """The contact that a link is for. `email_id` is the mail that contained it."""

    project: UUID
    contact_id: UUID
    email_id: UUID


class KeyRing(msgspec.Struct, frozen=True):
    """The keys of links. The first one signs; all of them verify, so a key can be replaced while old links work."""

    keys: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Return the keys in a text that separates them by commas. Raise ValueError if one is too short."""
        keys = tuple(key.strip() for key in text.split(","))
        if any(len(key) < MIN_KEY_LENGTH for key in keys):
            raise ValueError(f"each key must have at least {MIN_KEY_LENGTH} characters")
        return cls(keys)


class InvalidToken(ValueError):
    """Raised for a token that we did not sign. It does not say why, so that it reveals nothing."""


def sign(ring: KeyRing, target: LinkTarget) -> str:
    """Return the token of a link: 87 URL-safe characters."""
    payload = VERSION + target.project.bytes + target.contact_id.bytes + target.email_id.bytes
    return _encoded(payload + _mac(ring.keys[0], payload))


def verify(ring: KeyRing, token: str) -> LinkTarget:
    """Return the target of a token. Raise InvalidToken."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as bad:
        raise InvalidToken from bad
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if _encoded(raw) != token:  # base64 ignores some bits of the last character: accept only the canonical spelling
        raise InvalidToken
    if len(payload) != 1 + PAYLOAD_BYTES or payload[:1] not in CONTEXTS:
        raise InvalidToken
    if not any([hmac.compare_digest(mac, _mac(key, payload)) for key in ring.keys]):  # noqa: C419 - always all keys
        raise InvalidToken
    return LinkTarget(UUID(bytes=payload[1:17]), UUID(bytes=payload[17:33]), UUID(bytes=payload[33:49]))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(key: str, payload: bytes) -> bytes:
    # hmac.digest would release the GIL, and the threads that render mails would wait for each other
    return hmac.new(key.encode(), CONTEXTS[payload[:1]] + payload, sha256).digest()[:MAC_BYTES]
