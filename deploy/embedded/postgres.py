"""Postgres from its wheel: create the cluster once, then become the server.

`run` replaces the calling process by the server, so that whoever forked it supervises Postgres itself.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from deploy.embedded import cluster, kernel
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout

SETTINGS = {
    "listen_addresses": "",  # the socket only: nothing to guess a password for, no port to be taken
    "max_connections": "200",
    "shared_buffers": "48MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "autovacuum": "on",
    # A plan that was made while a table was empty reads all of it for every question, until the table is analyzed.
    "autovacuum_naptime": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m %u ",
}


LOG_LIMIT = 10_000_000
EARLIER_SERVER_LIMIT = 10.0
"""Seconds that an earlier server on the same data gets to leave (it ends by itself when its supervisor did)."""


def url(layout: Layout, user: str = "postgres", database: str = cluster.DATABASE) -> str:
    """The connection URL of one role, over the unix socket. The port is named so that PGPORT cannot change it."""
    return f"postgresql://{user}@/{database}?host={quote(str(layout.socket_dir))}&port=5432"


def ready(layout: Layout, pid: int) -> bool:
    """Whether the server with this process id takes connections, by its own account in `postmaster.pid`."""
    try:
        lines = (layout.cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def remove_socket_dir(layout: Layout) -> None:
    """Take away the short place that the socket was put in, where there was one. The server has ended."""
    if layout.socket_dir != layout.postgres:
        shutil.rmtree(layout.socket_dir, ignore_errors=True)


def run(layout: Layout, parent: int) -> NoReturn:
    """Become the server. Ends with CannotStart before that; afterwards Postgres' own log tells."""
    binaries = cluster.find_binaries()
    cluster.claim_directory(layout.postgres, layout)
    cluster.claim_directory(layout.socket_dir, layout)
    log = open_log(layout.log_file("postgres-1"))
    os.chdir(layout.postgres)
    drop_root(layout)
    kernel.die_with(parent, signal.SIGQUIT)  # an immediate shutdown, which the next start recovers from
    if not layout.cluster.exists():
        cluster.create(binaries, layout)
    await_earlier_server(layout)
    os.dup2(log, 1)
    os.dup2(log, 2)
    command = server_command(binaries, layout)
    os.execve(command[0], command, cluster.environment())  # noqa: S606 -- no shell is the point


def server_command(binaries: Path, layout: Layout) -> list[str]:
    """The server finds its libraries by the path that it is called by."""
    settings = SETTINGS | {"unix_socket_directories": str(layout.socket_dir), "unix_socket_permissions": "0700"}
    return [
        str(binaries / "postgres"),
        "-D",
        str(layout.cluster),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]


def drop_root(layout: Layout) -> None:
    if os.geteuid() != 0:
        return
    try:
        kernel.switch_user(*cluster.server_user(layout))
        list(layout.postgres.iterdir())
        (cluster.find_binaries() / "postgres").stat()
    except OSError as error:
        raise CannotStart(
            f"Postgres does not run as root, and `nobody` cannot run it here ({error}): start as another user"
        ) from error


def open_log(path: Path) -> int:
    """Postgres' log, appended to; the one before is kept as `.1` once it is 10 MB."""
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def await_earlier_server(layout: Layout) -> None:
    """See an earlier server out; where its process id is another program's by now, forget it.

    The file of a server that is simply gone stays: Postgres itself judges by it whether anything of it still runs.
    """
    lock = layout.cluster / "postmaster.pid"
    deadline = time.monotonic() + EARLIER_SERVER_LIMIT
    while (pid := recorded_pid(lock)) and is_our_server(pid, layout):
        if time.monotonic() > deadline:
            raise CannotStart(f"another Postgres (process {pid}) uses {layout.cluster}: stop it and start again")
        time.sleep(0.05)
    if pid and Path(f"/proc/{pid}").exists():
        lock.unlink(missing_ok=True)


def recorded_pid(lock: Path) -> int | None:
    try:
        return int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def is_our_server(pid: int, layout: Layout) -> bool:
    """Whether that process is a Postgres server on our cluster."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return bytes(layout.cluster) in command


def main() -> None:
    """`python -m deploy.embedded.postgres DATA_DIR PARENT_PID`"""
    data_dir, parent = sys.argv[1:]
    try:
        run(Layout.create(Path(data_dir)), int(parent))
    except CannotStart as error:
        print(error, file=sys.stderr)
        sys.exit(os.EX_CONFIG)


if __name__ == "__main__":
    main()
