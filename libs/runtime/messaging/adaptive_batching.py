"""Pauses between batches that grow with the load.

A transaction, an atomic batch or a fetch costs the same for one message as for a hundred. So a consumer pauses between
rounds, longer on a busier stream: a single message is not delayed, and hundreds per second are handled in large
batches.
"""

import time

MEMORY_SECONDS = 0.5
BUSY = 200.0
"""Messages per second at which the pause is longest; fewer if the messages are larger."""


class AdaptiveBatching:
    """The pause before the next round: `max_pause` seconds at `busy` messages per second."""

    def __init__(self, max_pause: float, busy: float = BUSY) -> None:
        self._max_pause = max_pause
        self._busy = busy
        self._rate = 0.0
        self._last = time.monotonic()

    def pause(self, handled: int) -> float:
        """Return the seconds to wait after a round that handled this many messages."""
        now = time.monotonic()
        elapsed = max(now - self._last, 1e-6)
        self._last = now
        weight = min(1.0, elapsed / MEMORY_SECONDS)
        self._rate += (handled / elapsed - self._rate) * weight
        return self._max_pause * min(1.0, self._rate / self._busy)
