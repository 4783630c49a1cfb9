"""Run work that nobody can prove to be cheap in processes that can be killed.

A template, a message or a document that a stranger wrote may take minutes or gigabytes, and a thread cannot be stopped.
A process can: each piece of work gets so much time and memory, and whatever exceeds them dies with its process, while
the service goes on.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import msgspec
import structlog

from libs.runtime.process import worker

log = structlog.get_logger()

T = TypeVar("T")

START_SECONDS = 30.0
IMPORT_SECONDS = 30.0
"""On top of the work's own time, which the worker itself limits: a new process imports the code that it is to run."""

WAIT_SECONDS = 20.0
"""How long work waits for a free process."""

JOIN_SECONDS = 5.0


class Limits(msgspec.Struct, frozen=True):
    """What one piece of work may take: seconds by the clock, and bytes of memory beyond what its process had."""

    seconds: float = 1.0
    memory: int = 256 * 1024 * 1024


USUAL = Limits()


class WorkKilled(Exception):
    """The work took more than its limits allow, or its process died of it. Doing it again would end the same way."""


class PoolBusy(TimeoutError):
    """Every process stayed busy with other work. Try again later."""


class WorkerLost(Exception):
    """A worker process could not be started. This says nothing about the work."""


class PoolClosed(Exception):
    """The pool was closed while the work ran: nothing is known about the work."""


class WorkerPool:
    """At most `processes` worker processes, started when they are first needed and kept for the next work.

    Safe to use from any thread.
    """

    def __init__(self, processes: int) -> None:
        self._free = threading.BoundedSemaphore(processes)
        self._idle: LifoQueue[_Worker] = LifoQueue()
        self._busy: set[_Worker] = set()

    def call(self, work: Callable[..., T], *arguments: Any, limits: Limits = USUAL, wait: float = WAIT_SECONDS) -> T:
        """Return what `work(*arguments)` returns in another process, or raise what it raises.

        `work` is a function at the top of a module; it, its arguments and its result are pickled. Raises WorkKilled
        where it exceeds its limits, PoolBusy where no process comes free in `wait` seconds, WorkerLost and
        PoolClosed.
        """
        if not self._free.acquire(timeout=wait):
            raise PoolBusy("every worker is busy")
        try:
            taken = self._take()
            try:
                return taken.call(work, arguments, limits)
            finally:
                self._give_back(taken)
        finally:
            self._free.release()

    @property
    def busy(self) -> int:
        """How many processes work now."""
        return len(self._busy)

    def close(self) -> None:
        """Kill every process. Work that runs raises PoolClosed."""
        for busy in list(self._busy):
            busy.close()
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _take(self) -> "_Worker":
        try:
            taken = self._idle.get_nowait()
        except Empty:
            taken = _Worker()
        self._busy.add(taken)
        return taken

    def _give_back(self, taken: "_Worker") -> None:
        self._busy.discard(taken)
        if taken.alive:
            self._idle.put(taken)


class _Worker:
    """One process, and the pipe to it. Raises WorkerLost if it does not start."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        end = theirs.fileno()
        # Not multiprocessing's spawn: that runs the main module of this process again, whatever it is.
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", worker.__name__, str(end)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            pass_fds=(end,),
        )
        theirs.close()
        self._closed = False
        self._await_start()

    @property
    def alive(self) -> bool:
        return not self._closed and self._process.poll() is None

    def call(self, work: Callable[..., T], arguments: tuple[Any, ...], limits: Limits) -> T:
        """Raises WorkKilled and ends the process where the work does not end in time."""
        try:
            self._pipe.send((work, arguments, limits))
            if not self._pipe.poll(limits.seconds + IMPORT_SECONDS):
                raise EOFError
            result, failure = self._pipe.recv()
        except (EOFError, OSError) as gone:
            self._end()
            if self._closed:
                raise PoolClosed from None
            log.warning("worker_pool.killed", work=work.__qualname__)
            raise WorkKilled(_exceeded(limits)) from gone
        if isinstance(failure, MemoryError):
            raise WorkKilled(_exceeded(limits)) from failure
        if failure is not None:
            raise failure
        answer: T = result
        return answer

    def close(self) -> None:
        self._closed = True
        self._end()

    def _await_start(self) -> None:
        try:
            if self._pipe.poll(START_SECONDS) and self._pipe.recv() == worker.READY:
                return
        except (EOFError, OSError):
            pass
        self._end()
        log.error("worker_pool.not_started", exit_code=self._process.returncode)
        raise WorkerLost("a worker process did not start")

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(JOIN_SECONDS)


def _exceeded(limits: Limits) -> str:
    return f"took more than {limits.seconds:g} s or {limits.memory >> 20} MiB"
