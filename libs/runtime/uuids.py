"""UUIDs of the driver's kind, for where there are many: the same values as others of their class, but hashed, spelled
and stored at a fraction of the cost."""

from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto


def new_uuid() -> UUID:
    """As `clock.uuid7`."""
    made: UUID = pgproto.UUID(uuid_utils.uuid7().bytes)
    return made


def uuid_of(text: str) -> UUID:
    """Raises ValueError for what is none."""
    read: UUID = pgproto.UUID(text)
    return read
