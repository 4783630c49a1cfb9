"""How much of a job is done at a time: as much as those can bear who wait for an answer meanwhile. Pure.

A page holds up whoever needs the same process, database or rows. While nobody does, pages are long, because each costs
the same again whatever its length; while commands come in, they are short. A job begins with short ones.
"""

FIRST, LEAST, MOST = 150, 150, 2000
"""Rows or contacts in a page. With fewer than the least, most of the work would be that of beginning and ending it."""

ALONE, AMONG_OTHERS = 0.2, 0.03
"""Seconds that a page should take."""

GROWTH = 2.0
"""A page may be so much longer than the one before."""


class Pace:
    """The length of the next page, by how long the last ones took."""

    def __init__(self) -> None:
        self._rows = FIRST

    @property
    def rows(self) -> int:
        return self._rows

    def took(self, seconds: float, *, others: bool) -> None:
        """The page took so long; `others` says whether commands were handled around it."""
        target = AMONG_OTHERS if others else ALONE
        fitting = self._rows * min(GROWTH, target / max(seconds, 0.001))
        self._rows = int(min(MOST, max(LEAST, fitting)))
