"""The stack that the demo uses: the one already running, or one that it starts and stops itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.embedded import keys
from deploy.embedded.endpoints import Endpoints, of_running_stack
from deploy.embedded.layout import Layout
from deploy.embedded.settings import Settings

START_LIMIT = 60.0
STOP_LIMIT = 30.0
UP = ("deploy.cli", "up")
"""The module that starts the stack, and its arguments."""

GRACE = "5"
"""Seconds until an unknown email is sent again, so that the demo need not wait for the usual hour."""


class CannotRun(Exception):
    """Raised when the stack did not start; the message says where to look."""


class Target(msgspec.Struct, frozen=True):
    """A running stack and the keys of its first project."""

    endpoints: Endpoints
    layout: Layout
    secret_key: str

    def pid_of(self, process: str) -> int:
        return int(self.layout.pid_file(process).read_text())


@contextmanager
def stack(up: Sequence[str] = UP) -> Iterator[Target]:
    """Yield the stack of GODWIT_DATA_DIR. Stop it at the end only if it was not running before."""
    layout = Layout(Path(os.environ.get("GODWIT_DATA_DIR") or Settings().data_dir).absolute())
    if endpoints := of_running_stack():
        yield _target(layout, endpoints)
        return
    process = _start(layout, up)
    try:
        yield _target(layout, _await_ready(process, layout))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_LIMIT)


def _start(layout: Layout, up: Sequence[str]) -> "subprocess.Popen[bytes]":
    layout = Layout.create(layout.root)
    environment = {"GODWIT_UNKNOWN_GRACE": GRACE, "GODWIT_API_RATE_LIMIT": "0", **os.environ}
    with layout.log_file("demo-stack").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 -- ourselves
            [sys.executable, "-m", *up],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _await_ready(process: "subprocess.Popen[bytes]", layout: Layout) -> Endpoints:
    log = layout.log_file("demo-stack")
    deadline = time.monotonic() + START_LIMIT
    while not (endpoints := of_running_stack()):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
            raise CannotRun(f"the stack did not start: {lines[-1]}   (full log: {log})")
        time.sleep(0.1)
    return endpoints


def _target(layout: Layout, endpoints: Endpoints) -> Target:
    kept = keys.read(layout)
    secret_key = os.environ.get("GODWIT_BOOTSTRAP_SECRET_KEY") or kept["GODWIT_BOOTSTRAP_SECRET_KEY"]
    return Target(endpoints, layout, secret_key)
