"""When a part that died is restarted, and when it counts as a crash loop."""

from collections import deque

DELAYS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each consecutive restart; the last value applies to all further ones."""

STEADY = 5.0
"""A part that ran this many seconds is stable again: its next restart is immediate."""

DEATHS, WINDOW = 10, 20.0


class Restarts:
    """The recent deaths of one part. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._recent: deque[float] = deque(maxlen=DEATHS)

    def delay(self, now: float, lived: float) -> float:
        """Record a death at `now`, after `lived` seconds. Return how long to wait before the next start."""
        self._in_a_row = 0 if lived >= STEADY else self._in_a_row
        self._recent.append(now)
        self._in_a_row += 1
        return DELAYS[min(self._in_a_row, len(DELAYS)) - 1]

    def is_crash_looping(self, now: float) -> bool:
        """Return whether it died ten times within twenty seconds."""
        return len(self._recent) == DEATHS and now - self._recent[0] <= WINDOW
