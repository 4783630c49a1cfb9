"""Run work that nobody can prove to be cheap in processes that can be killed.

A template, a message or a document that a stranger wrote may take minutes or gigabytes, and a thread cannot be stopped.
A process can: each piece of work gets so much time and memory, and whatever exceeds them dies with its process, while
the service goes on.
"""

import multiprocessing
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import msgspec
import structlog

log = structlog.get_logger()

T = TypeVar("T")

STATM = Path("/proc/self/statm")
START_SECONDS = 30.0
"""On top of the work's own time: a new process imports the code that it is to run."""

WAIT_SECONDS = 20.0
"""How long work waits for a free process."""

JOIN_SECONDS = 5.0

_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process that has threads may stand still for ever


class Limits(msgspec.Struct, frozen=True):
    """What one piece of work may take: seconds by the clock, and bytes of memory beyond what its process had."""

    seconds: float = 1.0
    memory: int = 256 * 1024 * 1024


USUAL = Limits()


class WorkKilled(Exception):
    """The work took more than its limits allow, or its process died of it. Doing it again would end the same way."""


class PoolBusy(TimeoutError):
    """Every process stayed busy with other work. Try again later."""


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
        where it exceeds its limits, PoolBusy where no process comes free in `wait` seconds, and PoolClosed.
        """
        if not self._free.acquire(timeout=wait):
            raise PoolBusy("every worker is busy")
        try:
            worker = self._take()
            try:
                return worker.call(work, arguments, limits)
            finally:
                self._give_back(worker)
        finally:
            self._free.release()

    def close(self) -> None:
        """Kill every process. Work that runs raises PoolClosed."""
        for worker in list(self._busy):
            worker.close()
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _take(self) -> "_Worker":
        try:
            worker = self._idle.get_nowait()
        except Empty:
            worker = _Worker()
        self._busy.add(worker)
        return worker

    def _give_back(self, worker: "_Worker") -> None:
        self._busy.discard(worker)
        if worker.alive:
            self._idle.put(worker)


class _Worker:
    """One process, and the pipe to it."""

    def __init__(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._started = False
        self._closed = False

    @property
    def alive(self) -> bool:
        return not self._closed and self._process.is_alive()

    def call(self, work: Callable[..., T], arguments: tuple[Any, ...], limits: Limits) -> T:
        """Raises WorkKilled and ends the process where the work does not end in time."""
        patience = limits.seconds + (1.0 if self._started else START_SECONDS)
        try:
            self._pipe.send((work, arguments, limits))
            if not self._pipe.poll(patience):
                raise EOFError
            result, failure = self._pipe.recv()
        except (EOFError, OSError) as gone:
            self._process.kill()
            self._process.join(JOIN_SECONDS)
            if self._closed:
                raise PoolClosed from None
            log.warning("worker_pool.killed", work=work.__qualname__)
            raise WorkKilled(_exceeded(limits)) from gone
        self._started = True
        if isinstance(failure, MemoryError):
            raise WorkKilled(_exceeded(limits)) from failure
        if failure is not None:
            raise failure
        answer: T = result
        return answer

    def close(self) -> None:
        self._closed = True
        self._process.kill()
        self._process.join(JOIN_SECONDS)


def _exceeded(limits: Limits) -> str:
    return f"took more than {limits.seconds:g} s or {limits.memory >> 20} MiB"


def _serve(pipe: Connection) -> None:
    """Do work until the parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while True:
        try:
            work, arguments, limits = pipe.recv()
        except EOFError:
            return
        outcome = _outcome(work, arguments, limits)
        try:
            pipe.send(outcome)
        except Exception as unsendable:  # a result or an exception that cannot be pickled
            pipe.send((None, RuntimeError(f"{work.__qualname__}: {type(unsendable).__name__}")))


def _outcome(work: Callable[..., object], arguments: tuple[Any, ...], limits: Limits) -> tuple[object, object]:
    """What the work returned, or what it raised. The alarm kills the process: no code can put it off."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    try:
        if STATM.exists():
            resource.setrlimit(resource.RLIMIT_AS, (_address_space() + limits.memory, hard))
        return work(*arguments), None
    except Exception as failure:
        return None, failure
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _address_space() -> int:
    return int(STATM.read_text().split()[0]) * resource.getpagesize()
