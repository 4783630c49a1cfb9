"""Whether notifications may be waiting in the SQS queue. Pure, but for the clock that it is given.

Delivery sends a mail again only where no notification of it can be on its way. What waits in the queue is on its way,
and nobody else can see it. A receive that comes back with room left has found all that could be received; what was
received and could not be stored is hidden for a while and comes again.
"""

import math
import time
from collections.abc import Callable

SETTLES_SECONDS = 5.0
"""After a full receive, so long until another poller's message is stored as well."""


class Backlog:
    """Of one process. There may be one until it is known that there is none."""

    def __init__(self, hidden_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._hidden_seconds = hidden_seconds
        self._clock = clock
        self._until = math.inf

    @property
    def possible(self) -> bool:
        return self._clock() < self._until

    def received(self, *, all_there_was: bool) -> None:
        """Messages, or none, came from the queue."""
        if not all_there_was:
            self._until = max(self._until, self._clock() + SETTLES_SECONDS)
        elif self._until == math.inf:
            self._until = self._clock()

    def not_stored(self) -> None:
        """What was received stays in the queue, hidden."""
        self._until = max(self._until, self._clock() + self._hidden_seconds)

    def unreachable(self) -> None:
        """Nobody knows what the queue holds."""
        self._until = math.inf
