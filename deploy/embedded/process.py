"""A part of the stack as a process: fork it, read its output, notice its end.

The supervisor imports what the services import before it forks them, so starting needs no imports and memory is shared.
That is why it stays single-threaded and never runs an event loop: only then is forking safe.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from deploy.embedded import kernel
from deploy.embedded.errors import CannotStart, last_error_line
from deploy.embedded.layout import Layout
from deploy.embedded.part import Part
from deploy.embedded.restarts import Restarts

STOPPING_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}


class Process:
    """The process of a part: at most one at a time. `pid` is None while there is none."""

    def __init__(self, part: Part, layout: Layout) -> None:
        self.part = part
        self.pid: int | None = None
        self.output = -1
        self.due: float | None = None
        self.ready = False
        self.restarts = Restarts()
        self._pid_file = layout.pid_file(part.name)
        self._log = layout.log_file(part.name)
        self._log_start = 0
        self._started = 0.0

    def start(self) -> None:
        """Fork the process. `output` becomes the reading end of a pipe with everything the process prints."""
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        self.output, writing = os.pipe()
        os.set_blocking(self.output, False)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING_SIGNALS)  # the child must not miss a signal sent to it
        supervisor = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            run_child(self.part, supervisor, writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING_SIGNALS)
        os.close(writing)
        self.due, self._started = None, time.monotonic()
        write_whole(self._pid_file, f"{self.pid}\n")

    def poll_exit(self) -> int | None:
        """Return the exit code (negative: the signal) if the process has ended since the last call, else None."""
        if self.pid is None or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        kill_group(
            self.pid
        )  # its remaining children; until it is reaped, the dead leader keeps the group's number reserved
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        self._pid_file.unlink(missing_ok=True)
        return os.waitstatus_to_exitcode(status)

    def schedule_restart(self) -> None:
        """Set `due` for the next start: soon after a first death, later after each further one."""
        now = time.monotonic()
        self.due = now + self.restarts.delay(now, lived=now - self._started)

    def check_ready(self) -> bool:
        """Return whether the process says that it is ready. A part that runs once is ready when it ends instead."""
        return self.pid is not None and not self.part.once and self.part.ready(self.pid)

    @property
    def is_crash_looping(self) -> bool:
        """Whether it died so often recently that another start would not help."""
        return self.restarts.is_crash_looping(time.monotonic())

    @property
    def last_error_line(self) -> str:
        """The last line of its log that explains why it ended."""
        return last_error_line(self._log, self._log_start)

    def send(self, number: signal.Signals) -> None:
        if self.pid is None:
            return
        os.kill(self.pid, number)


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it may have ended before it became a group leader
        os.killpg(leader, signal.SIGKILL)


def write_whole(path: Path, text: str) -> None:
    """Write the file atomically, so that readers never see half of it. Only its owner may read it."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(path)


def run_child(part: Part, supervisor: int, output: int) -> NoReturn:
    """Run the forked process to its end. It never returns into the supervisor's code."""
    code = 1
    try:
        os.setsid()
        detach(supervisor, output, part.environment)
        code = exit_code(part.run)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def detach(supervisor: int, output: int, environment: Mapping[str, str]) -> None:
    """Detach from the supervisor: its terminal, open files, signal handlers and environment."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    close_inherited_files()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING_SIGNALS)
    kernel.die_with(supervisor, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(environment)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # both are text files on a pipe here


def close_inherited_files() -> None:
    """Close all inherited files, above all the lock on the data directory, which must end with the supervisor."""
    listing = Path("/proc/self/fd")
    numbers = [int(entry.name) for entry in listing.iterdir()] if listing.exists() else range(3, 1024)
    for number in numbers:
        if number > 2:
            try:
                os.close(number)
            except OSError:  # the listing's own descriptor is already closed
                continue


def exit_code(run: Callable[[], object]) -> int:
    """Call `run` and return its exit code. EX_CONFIG means that another start would not help."""
    try:
        answer = run()
    except CannotStart as error:
        print(error, file=sys.stderr)
        return os.EX_CONFIG
    except SystemExit as leaving:
        answer = leaving.code
    if isinstance(answer, str):
        print(answer, file=sys.stderr)
    return answer if isinstance(answer, int) else int(isinstance(answer, str))
