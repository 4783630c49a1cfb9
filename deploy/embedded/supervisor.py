"""The supervisor: start parts, keep them running, pass on their output, and leave nothing behind.

One thread, one loop, no event loop library: see `deploy.embedded.process` for why.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

from deploy.embedded.errors import CannotStart
from deploy.embedded.journal import Journal
from deploy.embedded.layout import Layout
from deploy.embedded.part import Part
from deploy.embedded.process import Process

READY_POLL = 0.03
IDLE = 1.0
START_LIMIT = 90.0
FORCE_STOP_LIMIT = 5.0
"""Seconds between the forceful stop signal and SIGKILL."""


class Stopped(Exception):
    """Raised when someone asks the stack to stop."""


class Supervisor:
    """Runs parts as processes. Use it as a context manager: leaving the block stops every part, last group first."""

    def __init__(self, layout: Layout, journal: Journal) -> None:
        self._layout = layout
        self._journal = journal
        self._groups: list[list[Process]] = []
        self._asked_to_stop = 0
        self._stopping = False
        self._began = time.monotonic()
        self._wakeup, self._alarm = os.pipe()

    def __enter__(self) -> "Supervisor":
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._alarm, False)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the end of a child wakes the loop
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        signal.set_wakeup_fd(-1)

    def start(self, parts: Iterable[Part]) -> None:
        """Start the parts now, as one group that stops before the groups started earlier."""
        group = [Process(part, self._layout) for part in parts]
        self._groups.append(group)
        for process in group:
            process.start()

    def await_ready(self) -> None:
        """Run until every part started so far is ready. Raise CannotStart or Stopped."""
        deadline = time.monotonic() + START_LIMIT
        while waiting := [process for process in self._processes if not process.ready]:
            if time.monotonic() > deadline:
                late = waiting[0]
                raise CannotStart(f"{late.part.name} is not ready after {START_LIMIT:.0f} s: {late.last_error_line}")
            self.run_once(READY_POLL)

    def run(self) -> None:
        """Run until someone asks to stop."""
        try:
            while True:
                self.run_once(IDLE)
        except Stopped:
            return

    def run_once(self, seconds: float = 0.0) -> None:
        """Wait up to `seconds` for an event, then handle it. Raise CannotStart or Stopped."""
        self._wait(min([seconds, *self._until_restarts()]))
        for process in self._processes:
            self._update(process)
        if self._asked_to_stop:
            raise Stopped

    @property
    def _processes(self) -> list[Process]:
        return [process for group in self._groups for process in group]

    def _until_restarts(self) -> list[float]:
        now = time.monotonic()
        return [max(0.0, process.due - now) for process in self._processes if process.due is not None]

    def _wait(self, seconds: float) -> None:
        """Wait for output, a signal or a writable terminal, and pass on the output."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        outputs = {process.output: process for process in self._processes if process.output >= 0}
        for descriptor in outputs:
            poll.register(descriptor, select.POLLIN)
        if self._journal.terminal.has_backlog:
            poll.register(self._journal.terminal.descriptor, select.POLLOUT)
        happened = [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
        drain(self._wakeup)
        for descriptor in outputs.keys() & happened:
            self._read_output(outputs[descriptor])
        self._journal.terminal.flush()

    def _read_output(self, process: Process) -> None:
        try:
            output = os.read(process.output, 1 << 16)
        except BlockingIOError:
            return
        if output:
            self._journal.write_output(process.part.name, output)
        else:
            self._close_output(process)

    def _close_output(self, process: Process) -> None:
        os.close(process.output)
        process.output = -1
        self._journal.end_of_output(process.part.name)

    def _update(self, process: Process) -> None:
        code = process.poll_exit()
        if code is not None:
            self._handle_exit(process, code)
        if self._stopping:
            return
        if process.due is not None and process.due <= time.monotonic():
            process.start()
        if not process.ready and process.check_ready():
            self._mark_ready(process)

    def _handle_exit(self, process: Process, code: int) -> None:
        """Read the rest of the output, then restart the process, mark it ready, or give up."""
        while process.output >= 0 and has_more(process.output):
            self._read_output(process)
        if process.output >= 0:
            self._close_output(process)
        if self._stopping or self._asked_to_stop:
            return
        if process.part.once and code == 0:
            self._mark_ready(process)
            return
        process.schedule_restart()
        if process.part.once or (not process.ready and (code == os.EX_CONFIG or process.is_crash_looping)):
            raise CannotStart(f"{process.part.name} cannot start: {process.last_error_line}")
        self._journal.log_line(f"{process.part.name} ended ({describe(code)}) and is being restarted")

    def _mark_ready(self, process: Process) -> None:
        process.ready = True
        verb = "done" if process.part.once else "ready"
        self._journal.log_line(f"{process.part.name} {verb} after {time.monotonic() - self._began:.1f} s")

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop += 1

    def _stop(self) -> None:
        self._stopping = True
        self._journal.log_line("stopping")
        for group in reversed(self._groups):
            self._stop_group(group)
        self._journal.log_line("stopped")
        self._journal.terminal.finish()

    def _stop_group(self, group: Sequence[Process]) -> None:
        """Ask, insist, kill, each after a timeout; a second request to stop ends the first wait early."""
        running = [process for process in group if process.pid is not None]
        if not running:
            return
        for process in running:
            process.send(process.part.stop)
        grace = max(process.part.grace for process in running)
        if self._await_end(group, grace, unless=lambda: self._asked_to_stop > 1):
            return
        for process in group:
            process.send(process.part.force_stop)
        if self._await_end(group, FORCE_STOP_LIMIT):
            return
        for process in group:
            process.send(signal.SIGKILL)
        self._await_end(group, FORCE_STOP_LIMIT)

    def _await_end(self, group: Sequence[Process], seconds: float, unless: Callable[[], bool] = lambda: False) -> bool:
        """Return whether all processes ended in time. Give up early when `unless()` is true."""
        deadline = time.monotonic() + seconds
        while any(process.pid is not None for process in group):
            if time.monotonic() > deadline or unless():
                return False
            self._wait(min(0.1, seconds))
            for process in self._processes:
                self._update(process)
        return True


def drain(descriptor: int) -> None:
    try:
        os.read(descriptor, 4096)
    except BlockingIOError:
        return


def has_more(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(0))


def describe(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
