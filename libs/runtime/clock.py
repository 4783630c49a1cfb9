"""Time and ids: the two things that a decider is given rather than takes."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7 as _uuid7

__all__ = ["iso", "now", "uuid5", "uuid7"]


def now() -> datetime:
    """This process's clock, in UTC. Inside a unit of work use the unit's `now`: the database's clock decides."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """A new id that sorts by the time it was made. Safe in forked processes: it draws on the system's randomness."""
    return _uuid7()


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, as the API spells every instant."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
