"""Backpressure: whether messages arrive faster than they are handled, so that other work should wait."""

import asyncio
import time

MIN_MESSAGES = 12
"""Messages in one transaction that show that they arrive faster than they are handled."""

MEMORY_SECONDS = 0.25
"""Duration of backpressure after such a transaction: right after one, few messages are queued, because its replies have
just been sent."""

MAX_SECONDS = 10.0
"""Longer backpressure is the normal load, and other work should not wait for its end."""


class Backpressure:
    """The backpressure of one group commit."""

    def __init__(self) -> None:
        self._since = self._until = 0.0

    @property
    def active(self) -> bool:
        return self._seconds_left() > 0

    async def wait_for_end(self) -> None:
        """Wait until there is no backpressure, or it has lasted for MAX_SECONDS."""
        while (left := self._seconds_left()) > 0:  # noqa: ASYNC110 - the end moves while this sleeps
            await asyncio.sleep(left)

    def note(self, messages: int) -> None:
        """Note the number of messages in a transaction."""
        if messages < MIN_MESSAGES:
            return
        now = time.monotonic()
        if now > self._until:
            self._since = now
        self._until = now + MEMORY_SECONDS

    def _seconds_left(self) -> float:
        return min(self._until, self._since + MAX_SECONDS) - time.monotonic()
