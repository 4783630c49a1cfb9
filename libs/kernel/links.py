"""Signed links in mails: unsubscribe, subscribe, manage.

A token names its project, contact and mail and proves that we made it; it is opaque, cannot be guessed or altered,
and needs no look-up to check. It does not expire: a link in an old mail must work (RFC 8058 asks for it).
"""

import base64
import binascii
import hmac
from hashlib import sha256
from uuid import UUID

import msgspec

VERSION = b"\x01"
MAC_BYTES = 16
PAYLOAD_BYTES = 48


class LinkTarget(msgspec.Struct, frozen=True):
    """Whom and what a link is about. `email_id` is the mail that carried it."""

    project: UUID
    contact_id: UUID
    email_id: UUID


class InvalidToken(ValueError):
    """Not a token of ours. One answer for every reason, so that it tells nothing."""


def sign(key: str, target: LinkTarget) -> str:
    """The token of a link, about 88 URL-safe characters."""
    payload = VERSION + target.project.bytes + target.contact_id.bytes + target.email_id.bytes
    return _spelled(payload + _mac(key, payload))


def verify(key: str, token: str) -> LinkTarget:
    """What the token is about. Raises BadToken."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as bad:
        raise InvalidToken from bad
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if _spelled(raw) != token:  # its last character has bits to spare: one token is spelled one way
        raise InvalidToken
    if len(payload) != 1 + PAYLOAD_BYTES or not hmac.compare_digest(mac, _mac(key, payload)):
        raise InvalidToken
    return LinkTarget(UUID(bytes=payload[1:17]), UUID(bytes=payload[17:33]), UUID(bytes=payload[33:49]))


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(key: str, payload: bytes) -> bytes:
    # hmac.digest lets other threads in, and those that write mails would wait for each other
    return hmac.new(key.encode(), b"godwit.link" + payload, sha256).digest()[:MAC_BYTES]
