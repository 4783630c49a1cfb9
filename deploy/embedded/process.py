"""A part of the stack as a process: fork it, hear it, see it end.

The supervisor imports what the services import before it forks them, so a start costs no imports and their memory is
shared. That is why it stays single-threaded and never runs an event loop: only then is forking safe.
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
    """At most one live process for a part. `pid` is None while there is none."""

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
        """Fork. `output` becomes the end of a pipe on which everything the process says can be read."""
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        self.output, writing = os.pipe()
        os.set_blocking(self.output, False)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING_SIGNALS)  # the child must not miss one that was for it
        supervisor = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            run_child(self.part, supervisor, writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING_SIGNALS)
        os.close(writing)
        self.due, self._started = None, time.monotonic()
        write_whole(self._pid_file, f"{self.pid}\n")

    def poll_exit(self) -> int | None:
        """The exit code (negative: the signal) when the process has ended since the last call, else None."""
        if self.pid is None or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        kill_group(self.pid)  # whatever it left behind; the dead leader still holds the group's number
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        self._pid_file.unlink(missing_ok=True)
        return os.waitstatus_to_exitcode(status)

    def schedule_restart(self) -> None:
        """Set `due` for the next start, soon after a first death and later after each further one."""
        now = time.monotonic()
        self.due = now + self.restarts.delay(now, lived=now - self._started)

    def check_ready(self) -> bool:
        """Ask the process itself. One that runs once answers by ending instead."""
        return self.pid is not None and not self.part.once and self.part.ready(self.pid)

    @property
    def is_crash_looping(self) -> bool:
        """Whether it died so often of late that another start would be no different."""
        return self.restarts.is_crash_looping(time.monotonic())

    @property
    def last_error_line(self) -> str:
        """What its log says about its end."""
        return last_error_line(self._log, self._log_start)

    def send(self, number: signal.Signals) -> None:
        if self.pid is None:
            return
        os.kill(self.pid, number)


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it may have ended before it led a group
        os.killpg(leader, signal.SIGKILL)


def write_whole(path: Path, text: str) -> None:
    """Nobody who reads the file at any time finds half of it."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text)
    unfinished.replace(path)


def run_child(part: Part, supervisor: int, output: int) -> NoReturn:
    """The forked process, from its first moment to its last. Never returns into the supervisor's code."""
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
    """Leave the supervisor behind: its terminal, its open files, its signal handlers, its environment."""
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
    """Above all the lock on the data directory: it must end with the supervisor."""
    listing = Path("/proc/self/fd")
    numbers = [int(entry.name) for entry in listing.iterdir()] if listing.exists() else range(3, 1024)
    for number in numbers:
        if number > 2:
            try:
                os.close(number)
            except OSError:  # the listing's own descriptor is gone already
                continue


def exit_code(run: Callable[[], object]) -> int:
    """0, the integer `run` answers, or what it exits with; EX_CONFIG says that starting again would not help."""
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
