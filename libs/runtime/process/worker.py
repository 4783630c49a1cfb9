"""A worker process: does the work that a `WorkerPool` sends it, until the pool closes the pipe or dies.

`python -m libs.runtime.process.worker FD`, where FD is the worker's end of the pipe.
"""

import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from libs.runtime.process.worker_pool import Limits

READY = "ready"
STATM = Path("/proc/self/statm")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, but the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    pipe: Connection = Connection(int(sys.argv[1]))
    pipe.send(READY)
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


def _outcome(work: Callable[..., object], arguments: tuple[Any, ...], limits: "Limits") -> tuple[object, object]:
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


if __name__ == "__main__":
    main()
