"""Knows whether notifications may be waiting in the SQS queue. Pure, except for the clock that it is given.

Delivery sends a mail again only if no notification of it can be on its way. What waits in the queue is on its way, and
only this process can see it. A receive that returns fewer messages than it could has found all that could be received;
messages that were received and could not be stored are hidden for a while and then come again.
"""

import math
import time
from collections.abc import Callable

SETTLE_SECONDS = 5.0
"""How long after a full receive a message that another poller has received may still not be stored."""


class Backlog:
    """The backlog as one process sees it. It may exist until it is known not to."""

    def __init__(self, hidden_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._hidden_seconds = hidden_seconds
        self._clock = clock
        self._until = math.inf

    @property
    def possible(self) -> bool:
        return self._clock() < self._until

    def received(self, *, emptied: bool) -> None:
        """Note that a receive succeeded, and whether it emptied the queue."""
        if not emptied:
            self._until = max(self._until, self._clock() + SETTLE_SECONDS)
        elif self._until == math.inf:
            self._until = self._clock()

    def not_stored(self) -> None:
        """Note that received messages could not be stored. They are hidden in the queue."""
        self._until = max(self._until, self._clock() + self._hidden_seconds)

    def unreachable(self) -> None:
        """Note that the queue cannot be reached, so that nothing is known of it."""
        self._until = math.inf
