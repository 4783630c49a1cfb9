"""What a process knows to wait in the queue."""

import asyncio


class Backlog:
    """True while urgent mails wait that this process put into the queue, or left there, and has not found since. At
    first it is, because nobody has looked.

    `grew` is set when it grows, until `known` is asked.
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
        """Before a look at the queue: what has to be told to `found` after it, if it found room for all of them."""
        self.grew.clear()
        return self._grown

    def found(self, known: int) -> None:
        self._found = known
