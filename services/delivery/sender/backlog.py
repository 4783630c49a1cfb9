"""What a process knows about urgent mails in the queue."""

import asyncio


class Backlog:
    """True while there may be urgent mails that this process queued, or left in the queue, and has not found since.

    It is true at first, because nobody has looked yet. `grew` is set when it grows, until `known` is called.
    """

    def __init__(self) -> None:
        self._grown, self._found = 0, -1
        self.grew = asyncio.Event()

    def __bool__(self) -> bool:
        return self._found != self._grown

    def grow(self) -> None:
        self._grown += 1
        self.grew.set()

    def known(self) -> int:
        """Call this before looking at the queue. Pass the result to `found` if the look left no urgent mail behind."""
        self.grew.clear()
        return self._grown

    def found(self, known: int) -> None:
        self._found = known
