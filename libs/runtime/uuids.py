"""UUIDs of asyncpg's own class, for hot paths: they compare equal to other UUIDs and are hashed, formatted and stored
at a fraction of the cost."""

from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto


def new_uuid() -> UUID:
    """Return a new id, as `clock.uuid7` does."""
    new: UUID = pgproto.UUID(uuid_utils.uuid7().bytes)
    return new


def uuid_of(text: str) -> UUID:
    """Parse a UUID. Raise ValueError."""
    parsed: UUID = pgproto.UUID(text)
    return parsed
