"""Only Postgres and NATS, for tests and tools, with nothing of Godwit running on them yet."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.embedded import access, nats, passwords, postgres
from deploy.embedded.errors import CannotStart, last_error_line
from deploy.embedded.layout import Layout
from deploy.embedded.ports import free_ports

START_LIMIT = 60.0
STOP_LIMIT = 20.0


@dataclass(frozen=True)
class Backend:
    """The addresses of both servers.

    `admin_url` connects as the superuser `postgres` to the database `godwit`; `nats_url` connects with all rights.
    `bus_users` are the other users of the bus, with their passwords; none if the server has no users.
    """

    admin_url: str
    nats_url: str
    bus_users: Mapping[str, str] = field(default_factory=dict)

    def nats_url_as(self, user: str) -> str:
        """Return the URL of another user of the bus."""
        parts = urlsplit(self.nats_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{user}:{self.bus_users[user]}@{host}"))


@contextmanager
def running(data_dir: Path) -> Iterator[Backend]:
    """Run both servers, with the settings of the whole stack, until the block or this process ends.

    The data stays in `data_dir`; a later run in the same directory continues with it. Raise CannotStart.
    """
    layout = Layout.create(data_dir)
    port, monitor_port = free_ports(2)
    known = passwords.obtain(layout, nats.UNRESTRICTED)
    with ExitStack() as stack:
        stack.callback(postgres.remove_socket_dir, layout)
        database = stack.enter_context(child(layout, "postgres", signal.SIGINT))
        bus = stack.enter_context(child(layout, "nats", signal.SIGTERM, str(port), str(monitor_port)))
        await_ready(database, lambda: postgres.ready(layout, database.pid), layout.log_file("postgres-1"))
        await_ready(bus, lambda: nats.ready(monitor_port), layout.log_file("nats-1"))
        yield Backend(
            postgres.url(layout, known.database[access.SUPERUSER]),
            nats.url(port, nats.UNRESTRICTED, known.bus[nats.UNRESTRICTED]),
            known.bus,
        )


@contextmanager
def child(layout: Layout, module: str, stop: signal.Signals, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"deploy.embedded.{module}", str(layout.root), *arguments, str(os.getpid())]
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 -- ourselves
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"{log.stem} did not start (exit code {process.returncode}): {last_error_line(log)}")
        time.sleep(0.02)
