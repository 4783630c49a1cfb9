"""One readable log of many processes: on the terminal with a name before each line, and in one file per process.

Nobody has to read it: a blocked terminal holds up neither the supervisor nor the services. The backlog for it is
bounded, and dropped lines are counted.
"""

import os
import select
import sys
import time
from collections import deque
from pathlib import Path

from deploy.embedded.layout import Layout

PALETTE = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
GREY, RESET = "\x1b[90m", "\x1b[0m"
NAME_WIDTH = 12
BACKLOG = 5_000
CHUNK = select.PIPE_BUF
MAX_LINE = 64 * 1024
FILE_LIMIT = 10_000_000


class Terminal:
    """A file descriptor that is written to only as far as it does not block."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._pending: deque[bytes] = deque()
        self._dropped = 0
        self._closed = False

    def write(self, line: bytes) -> None:
        """Accept a line and show it now or, through `flush`, later."""
        if len(self._pending) >= BACKLOG:
            self._dropped += 1
            return
        if self._dropped:
            self._pending.append(b"... %d lines dropped: see the log files\n" % self._dropped)
            self._dropped = 0
        self._pending.append(line)
        self.flush()

    def flush(self) -> None:
        """Write as much as possible without blocking."""
        while self._pending and self._is_writable():
            piece = self._pending.popleft()
            try:
                written = os.write(self.descriptor, piece[:CHUNK])
            except OSError:  # the reader has gone; the log files continue
                self._closed = True
                continue
            if written < len(piece):
                self._pending.appendleft(piece[written:])

    def finish(self, patience: float = 1.0) -> None:
        """Give the reader `patience` seconds to read what is left."""
        deadline = time.monotonic() + patience
        self.flush()
        while self._pending and time.monotonic() < deadline:
            time.sleep(0.01)
            self.flush()

    @property
    def has_backlog(self) -> bool:
        return bool(self._pending)

    def _is_writable(self) -> bool:
        if self._closed:
            self._pending.clear()
            return False
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return bool(poll.poll(0))


class LogFile:
    """The last 10 to 20 MB of one process's output."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, text: bytes) -> None:
        if self._file.tell() > FILE_LIMIT:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab", buffering=0)
        try:
            self._file.write(text)
        except OSError:  # a full disk must not take the supervisor down
            return


class Journal:
    """The destination of every line of the stack."""

    def __init__(self, layout: Layout, descriptor: int = 1) -> None:
        self.terminal = Terminal(descriptor)
        self._layout = layout
        self._coloured = os.isatty(descriptor) and not os.environ.get("NO_COLOR")
        self._prefixes: dict[str, bytes] = {}
        self._files: dict[str, LogFile] = {}
        self._partial: dict[str, bytes] = {}

    def write_output(self, name: str, output: bytes) -> None:
        """Write whatever a process has printed."""
        self._file(name).write(output)
        *lines, rest = (self._partial.pop(name, b"") + output).split(b"\n")
        if rest:
            self._partial[name] = rest[-MAX_LINE:]
        for line in lines:
            self.terminal.write(self._prefix(name) + line + b"\n")

    def end_of_output(self, name: str) -> None:
        """Complete a last line without a line break once the process has ended."""
        if name in self._partial:
            self.write_output(name, b"\n")

    def log_line(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self.write_output("godwit", text.encode() + b"\n")

    def show_line(self, text: str) -> None:
        """Show a line on the terminal without writing it to a file, for secrets."""
        self.terminal.write(self._prefix("godwit") + text.encode() + b"\n")

    def print(self, text: str) -> None:
        """Write a line for scripts, without a prefix."""
        self._file("godwit").write(text.encode() + b"\n")
        self.terminal.write(text.encode() + b"\n")

    def _prefix(self, name: str) -> bytes:
        if name not in self._prefixes:
            label = f"{name:<{NAME_WIDTH}} | "
            colour = f"\x1b[{PALETTE[len(self._prefixes) % len(PALETTE)]}m" if name != "godwit" else GREY
            self._prefixes[name] = (f"{colour}{label}{RESET}" if self._coloured else label).encode()
        return self._prefixes[name]

    def _file(self, name: str) -> LogFile:
        if name not in self._files:
            self._files[name] = LogFile(self._layout.log_file(name))
        return self._files[name]


def print_error(text: str) -> None:
    """Print one line on stderr that says why a command failed."""
    print(f"godwit: {text}", file=sys.stderr, flush=True)
