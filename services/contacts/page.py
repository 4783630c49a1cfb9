"""Pages of lists that are ordered by time: the place where one begins, and what fits into one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from libs.runtime.eventstore.codec import encode
from libs.schemas.base import View
from services.contacts.refusals import invalid

V = TypeVar("V", bound=View)

MAX_BYTES = 700_000
"""Of a page: an answer on the bus may have 1 MiB, and one contact's data 128 KiB."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def cursor_of(at: datetime, identity: UUID) -> str:
    """The place of an item in its list, opaque to clients."""
    return urlsafe_b64encode(((at - EPOCH) // MICROSECOND).to_bytes(8) + identity.bytes).decode()


def place_of(cursor: str) -> tuple[datetime, UUID]:
    """Raises Rejected for what `cursor_of` never made."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        return EPOCH + int.from_bytes(raw[:8]) * MICROSECOND, UUID(bytes=raw[8:])
    except (ValueError, OverflowError) as bad:
        raise invalid("cursor", "Not a cursor of this list", "invalid_cursor") from bad


def fitting(views: Sequence[V]) -> list[V]:
    """As many from the start as one answer can carry, and at least one."""
    kept: list[V] = []
    size = 0
    for view in views:
        size += len(encode(view))
        if kept and size > MAX_BYTES:
            break
        kept.append(view)
    return kept
