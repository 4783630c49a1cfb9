"""Cursors of lists that are ordered by time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.kernel.rejection import Rejected, invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def encode_cursor(at: datetime, identity: UUID) -> str:
    """Return the position of an item in its list, opaque to clients."""
    return urlsafe_b64encode(((at - EPOCH) // MICROSECOND).to_bytes(8) + identity.bytes).decode()


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return the position that `encode_cursor` encoded. Raise Rejected for anything else."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
        return EPOCH + int.from_bytes(raw[:8]) * MICROSECOND, UUID(bytes=raw[8:])
    except (ValueError, OverflowError) as bad:
        raise invalid_cursor() from bad


def invalid_cursor() -> Rejected:
    """Return the rejection of a cursor that does not belong to the list."""
    return invalid("cursor", "Invalid cursor", "invalid_cursor")
