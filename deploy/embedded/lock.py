"""The lock on a data directory: it allows one stack at a time, and shows whether one is running.

It is a lock on an open file, so it ends with the supervisor, however that ends. A mere file could be left behind.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout
from deploy.embedded.process import write_whole

LOCK_TIMEOUT = 0.5
"""Seconds that a start waits for the lock: `is_held` holds it for a moment too."""


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Lock the data directory and clear what an earlier stack left in `run`. Raise CannotStart if it is locked."""
    mine = layout.pid_file("supervisor")
    with layout.lock.open("a") as lock:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not acquired(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise CannotStart(already_running(layout))
            time.sleep(0.02)
        clear(layout)
        write_whole(mine, f"{os.getpid()}\n")
        try:
            yield
        finally:
            clear(layout)


def is_held(layout: Layout) -> bool:
    """Return whether a supervisor is running in the data directory."""
    try:
        with layout.lock.open() as lock:
            return not acquired(lock, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def acquired(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def already_running(layout: Layout) -> str:
    pid_file = layout.pid_file("supervisor")
    pid = pid_file.read_text().strip() if pid_file.exists() else "unknown"
    return (
        f"already running in {layout.root} (process {pid}): stop it first, or set GODWIT_DATA_DIR to another directory"
    )


def clear(layout: Layout) -> None:
    for file in (layout.endpoints, *layout.run.glob("*.pid")):
        file.unlink(missing_ok=True)
