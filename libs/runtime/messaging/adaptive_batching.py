"""Waiting a little for more, when there is more to come.

A transaction, an atomic batch or a fetch costs the same for one message as for a hundred. So whoever handles a stream
waits between rounds, the longer the busier the stream: a single message is not delayed, hundreds a second are
handled in large batches.
"""

import time

MEMORY_SECONDS = 0.5
BUSY = 200.0
"""Messages a second at which the wait is the longest, unless they are told to be larger ones."""


class AdaptiveBatching:
    """Tells how long to wait before the next round."""

    def __init__(self, longest: float, busy: float = BUSY) -> None:
        self._longest = longest
        self._busy = busy
        self._rate = 0.0
        self._last = time.monotonic()

    def pause(self, handled: int) -> float:
        """Seconds to wait after a round that handled so many messages: 0 at a trickle, up to `longest`."""
        now = time.monotonic()
        elapsed = max(now - self._last, 1e-6)
        self._last = now
        weight = min(1.0, elapsed / MEMORY_SECONDS)
        self._rate += (handled / elapsed - self._rate) * weight
        return self._longest * min(1.0, self._rate / self._busy)
