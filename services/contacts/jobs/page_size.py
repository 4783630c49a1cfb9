"""The size of a job's pages: as large as those waiting for a reply can bear in the meantime. Pure.

A page delays everything that needs the same process, database or rows. While nothing does, pages are large, because
each has a fixed cost; while commands come in, they are small. A job begins with small ones.
"""

FIRST, MIN, MAX = 150, 150, 2000
"""Rows or contacts per page. Below the minimum, most of the work would be starting and ending pages."""

IDLE_SECONDS, BUSY_SECONDS = 0.2, 0.03
"""How long a page should take: without commands, and with commands around it."""

MAX_GROWTH = 2.0
"""How many times larger than the page before a page may be."""


class AdaptivePageSize:
    """Adapts the size of the next page to the time that the last one took."""

    def __init__(self) -> None:
        self._rows = FIRST

    @property
    def rows(self) -> int:
        return self._rows

    def record(self, seconds: float, *, busy: bool) -> None:
        """Record how long the page took, and whether commands were handled around it."""
        target = BUSY_SECONDS if busy else IDLE_SECONDS
        suitable = self._rows * min(MAX_GROWTH, target / max(seconds, 0.001))
        self._rows = int(min(MAX, max(MIN, suitable)))
