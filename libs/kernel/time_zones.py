"""Time zones by their IANA names. A name may come from a contact's data, so it is untrusted."""

from functools import lru_cache
from zoneinfo import ZoneInfo

MAX_NAME_LENGTH = 64
"""The longest IANA name has 32 characters."""


@lru_cache(maxsize=1024)
def zone_of(name: object) -> ZoneInfo | None:
    """Return the zone with this name, such as `Europe/Berlin`, or None if there is none."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a file name; the name of a directory, such as Europe
        return None
