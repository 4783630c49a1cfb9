"""Threads that call SES, and bring what came of the calls back to the event loop together.

A future for each call costs more than handing over a mail should: with it the loop is woken for every answer, and a
busy sender has hundreds a second.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

Job = TypeVar("Job")
Result = TypeVar("Result")


class Crew(Generic[Job, Result]):
    """So many threads that `work` on jobs in the order in which they are handed in; for the event loop it is made on.

    `finish` is called on the loop with what is done; a result of None says that `work` raised.
    """

    def __init__(
        self, threads: int, work: Callable[[Job], Result], finish: Callable[[Sequence[tuple[Job, Result | None]]], None]
    ) -> None:
        self._work = work
        self._finish = finish
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[tuple[Job, Result | None]] = deque()
        self._woken = False
        self._threads = [Thread(target=self._live, name=f"ses-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def hand_in(self, job: Job) -> None:
        self._jobs.put(job)

    def dismiss(self) -> None:
        """The threads end when all that was handed in is done."""
        for _ in self._threads:
            self._jobs.put(None)

    def _live(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                result = self._work(job)
            except Exception as bug:
                log.exception("crew.failed", error=repr(bug))
                self._hand_back(job, None)
            else:
                self._hand_back(job, result)

    def _hand_back(self, job: Job, result: Result | None) -> None:
        """Wake the loop, unless it was woken and has not come yet: then it finds this one, too."""
        self._done.append((job, result))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended: nobody waits for it any more
                self._loop.call_soon_threadsafe(self._come_back)

    def _come_back(self) -> None:
        self._woken = False  # first: what is handed back from here on may come too late for this time
        self._finish([self._done.popleft() for _ in range(len(self._done))])
