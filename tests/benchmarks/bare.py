"""The yardstick: a Litestar POST on the same server that decodes the same body, responds, and does nothing else."""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Request, post

from deploy.embedded.ports import free_ports
from services.gateway.routes.v1.track import TrackBody

START_LIMIT = 30.0


class Done(msgspec.Struct):
    success: bool = True


@post("/track", status_code=200)
async def track(data: TrackBody) -> Done:
    return Done()


@post("/notification", status_code=200)
async def notification(request: Request[Any, Any, Any]) -> Done:
    msgspec.json.decode(await request.body())
    return Done()


@contextmanager
def bare_server() -> Iterator[str]:
    """Run the server in its own process, and yield its URL."""
    [port] = free_ports(1)
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bare", str(port)])
    try:
        _await_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    app = Litestar([track, notification], openapi_config=None)
    uvicorn.run(
        app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning", loop="uvloop", http="httptools"
    )
