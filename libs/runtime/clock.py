"""The clock and new ids. A decider receives them as arguments."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7 as _uuid7

__all__ = ["now", "uuid5", "uuid7"]


def now() -> datetime:
    """Return the time of this process in UTC. In a unit of work use its `now`: there the database's clock decides."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """Return a new id that sorts by its creation time. Safe after a fork: it uses the system's random numbers."""
    return _uuid7()
