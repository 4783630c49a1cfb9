"""When a part that died is started again, and when that is hopeless."""

from collections import deque

DELAYS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each start in a row; the last one stands for all further ones."""

STEADY = 5.0
"""A part that lived this many seconds is on its feet again: its next start is immediate."""

DEATHS, WINDOW = 10, 20.0


class Restarts:
    """The deaths of one part. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._recent: deque[float] = deque(maxlen=DEATHS)

    def delay(self, now: float, lived: float) -> float:
        """Note a death at `now`, after `lived` seconds; answers how long to wait before the next start."""
        self._in_a_row = 0 if lived >= STEADY else self._in_a_row
        self._recent.append(now)
        self._in_a_row += 1
        return DELAYS[min(self._in_a_row, len(DELAYS)) - 1]

    def is_crash_looping(self, now: float) -> bool:
        """Whether it died ten times within twenty seconds."""
        return len(self._recent) == DEATHS and now - self._recent[0] <= WINDOW
