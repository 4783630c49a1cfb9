"""A pool of threads that call SES and return their results to the event loop in batches.

A future per call would cost too much: it wakes the loop for every result, and a busy sender has hundreds per second.
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


class SenderPool(Generic[Job, Result]):
    """Runs `work` on each job in one of its threads, in the order of submission.

    `finish` is called with the results, on the event loop that was running when the pool was made. A result of None
    means that `work` raised.
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
        self._threads = [Thread(target=self._run, name=f"ses-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def close(self) -> None:
        """End the threads once all submitted jobs are done."""
        for _ in self._threads:
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                result = self._work(job)
            except Exception as bug:
                log.exception("sender_pool.job_failed", error=repr(bug))
                self._return(job, None)
            else:
                self._return(job, result)

    def _return(self, job: Job, result: Result | None) -> None:
        """Wake the loop, unless it was woken already and has not run yet: it will find this result, too."""
        self._done.append((job, result))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended, so nobody waits for the result
                self._loop.call_soon_threadsafe(self._finish_done)

    def _finish_done(self) -> None:
        self._woken = False  # before taking results: a later one may miss this round and must wake the loop
        self._finish([self._done.popleft() for _ in range(len(self._done))])
