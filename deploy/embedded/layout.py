"""The data directory of the embedded stack: every path below it, in one place."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import CannotStart

MAX_SOCKET_PATH = 100
"""Maximum length of a unix socket's path in bytes (107 on Linux, 103 on macOS, less Postgres' temporary suffix)."""

PLAIN_PATH = re.compile(r"[A-Za-z0-9._/+-]+")
"""Paths that need no quoting in a connection URL or in Postgres' comma-separated list of directories."""


@dataclass(frozen=True)
class Layout:
    """The data directory; `root` is absolute."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Layout":
        """Create the directories, and close them to everybody but their owner. Raise CannotStart if that fails."""
        layout = cls(root.absolute())
        try:
            for directory in (layout.root, layout.run, layout.logs, layout.nats, layout.sandbox):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                close_to_others(directory)
        except OSError as error:
            raise CannotStart(
                f"cannot write to {layout.root} ({error.strerror}): set GODWIT_DATA_DIR to a directory of your own"
            ) from error
        if not os.access(layout.run, os.W_OK | os.X_OK):
            raise CannotStart(f"{layout.root} belongs to another user: set GODWIT_DATA_DIR to a directory of your own")
        return layout

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def cluster(self) -> Path:
        return self.postgres / "18"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def endpoints(self) -> Path:
        return self.run / "endpoints.json"

    def pid_file(self, name: str) -> Path:
        return self.run / f"{name}.pid"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @property
    def socket_dir(self) -> Path:
        """The directory of Postgres' socket: its data directory, or a short path if that is too long or unusual."""
        if fits_a_socket(self.postgres):
            return self.postgres
        name = f"godwit-{self.root.stat().st_uid}-{hashlib.sha256(bytes(self.root)).hexdigest()[:12]}"
        for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 -- owner and mode are checked by `own`
            if fits_a_socket(parent / name):
                return parent / name
        raise CannotStart(f"no path short enough for Postgres' socket: set GODWIT_DATA_DIR (now {self.root}) or TMPDIR")


def close_to_others(directory: Path) -> None:
    """Set the mode of a directory to 0700, whatever it was."""
    if directory.stat().st_mode & 0o7777 != 0o700:
        directory.chmod(0o700)


def fits_a_socket(directory: Path) -> bool:
    path = str(directory / ".s.PGSQL.5432")
    return len(path) <= MAX_SOCKET_PATH and PLAIN_PATH.fullmatch(path) is not None
