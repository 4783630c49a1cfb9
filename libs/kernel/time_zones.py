"""Time zones by the names of the IANA database, which also come from contacts' data and are then not to be trusted."""

from functools import lru_cache
from zoneinfo import ZoneInfo

MAX_NAME_LENGTH = 64
"""The longest that there is has 32 characters."""


@lru_cache(maxsize=1024)
def zone_of(name: object) -> ZoneInfo | None:
    """The zone of this name, such as `Europe/Berlin`; None for what is none."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no file's name; the name of a directory, such as Europe
        return None
