"""`python -m deploy.sandbox`: run the SES sandbox until SIGTERM or Ctrl-C."""

import fcntl
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import IO

import uvicorn
import uvloop

from deploy.sandbox.app import Application, Sandbox
from deploy.sandbox.http.asgi import TransportProtocol
from deploy.sandbox.settings import Settings, read_settings

BACKLOG = 2048
# Longer than any client keeps a connection: to a client, a connection closed during a request is an ambiguous send.
KEEP_ALIVE = 3600
GRACE = 1


def main(argv: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then return. Exit with status 1 and one line of explanation if it cannot start."""
    settings = read_settings(argv)
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    listener = _listen(settings.port)
    lock = _lock(settings.data_dir)
    with listener, lock:
        _serve(settings, listener)


def _serve(settings: Settings, listener: socket.socket) -> None:
    config = uvicorn.Config(
        Application(Sandbox(settings)),
        http=TransportProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    # uvicorn raises the signal again after it has shut down, but being asked to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvloop.run(uvicorn.Server(config).serve(sockets=[listener]))


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        sys.exit(f"The SES sandbox cannot listen on 127.0.0.1:{port} ({error.strerror}). Choose another --port.")
    listener.listen(BACKLOG)
    return listener


def _lock(data_dir: Path) -> IO[bytes]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another SES sandbox is using {data_dir}. Choose another --data-dir.")
    except OSError as error:
        sys.exit(f"The SES sandbox cannot use {data_dir} ({error.strerror}). Choose another --data-dir.")
    return lock


if __name__ == "__main__":
    main()
