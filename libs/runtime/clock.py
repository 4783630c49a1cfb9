"""The clock and new ids, which a decider is given and never takes for itself."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7 as _uuid7

__all__ = ["now", "uuid5", "uuid7"]


def now() -> datetime:
    """This process's clock, in UTC. Inside a unit of work use the unit's `now`: the database's clock decides."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """A new id that sorts by the time it was made. Safe in forked processes: it draws on the system's randomness."""
    return _uuid7()
