"""Postgres from its wheel: create the cluster once, then replace the process by the server.

Because `run` replaces the calling process, whoever forked that process supervises Postgres itself.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from deploy.embedded import access, cluster, kernel, passwords
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout

SETTINGS = {
    "listen_addresses": "",  # socket only: no port to conflict
    "max_connections": "200",
    "shared_buffers": "48MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "autovacuum": "on",
    # A plan made while a table was empty reads the whole table for every query, until the table is analyzed.
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
"""Seconds to wait for an earlier server on the same data (it ends by itself after its supervisor)."""


def url(layout: Layout, password: str, user: str = access.SUPERUSER, database: str = cluster.DATABASE) -> str:
    """Return the connection URL of a role over the unix socket. It names the port so that PGPORT cannot change it."""
    return f"postgresql://{user}:{password}@/{database}?host={quote(str(layout.socket_dir))}&port=5432"


def ready(layout: Layout, pid: int) -> bool:
    """Return whether the server with this process id accepts connections, according to its `postmaster.pid`."""
    try:
        lines = (layout.cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def remove_socket_dir(layout: Layout) -> None:
    """Remove the socket's separate directory, if there is one, after the server has ended."""
    if layout.socket_dir != layout.postgres:
        shutil.rmtree(layout.socket_dir, ignore_errors=True)


def run(layout: Layout, parent: int) -> NoReturn:
    """Replace this process by the server. Raise CannotStart if that fails; errors after that are in Postgres' log."""
    binaries = cluster.find_binaries()
    superuser = passwords.obtain(layout).database[access.SUPERUSER]
    cluster.claim_directory(layout.postgres, layout)
    cluster.claim_directory(layout.socket_dir, layout)
    log = open_log(layout.log_file("postgres-1"))
    os.chdir(layout.postgres)
    drop_root(layout)
    kernel.die_with(parent, signal.SIGQUIT)  # an immediate shutdown, which the next start recovers from
    if not layout.cluster.exists():
        cluster.create(binaries, layout)
    await_earlier_server(layout)
    access.require_passwords(binaries, layout, superuser)
    os.dup2(log, 1)
    os.dup2(log, 2)
    command = server_command(binaries, layout)
    os.execve(command[0], command, cluster.environment())  # noqa: S606 -- no shell is the point


def server_command(binaries: Path, layout: Layout) -> list[str]:
    """Return the command line. It needs the full path: the server finds its libraries relative to that."""
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
    """Open Postgres' log for appending. A log of more than 10 MB is renamed to `.1` first."""
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def await_earlier_server(layout: Layout) -> None:
    """Wait for an earlier server to end. If its process id belongs to another program by now, remove its lock file.

    The lock file of a server that is simply gone stays: Postgres itself checks by it whether anything still runs.
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
    """Return whether that process is a Postgres server on our cluster."""
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
