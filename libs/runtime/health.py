"""/livez, /readyz and /metrics of one process, on a port of its own."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[str | None]]
"""Answers None when fine, else in a few words what is not."""


def asgi_app(checks: dict[str, Check]) -> Callable[..., Awaitable[None]]:
    """`/livez` says the process runs its loop; `/readyz` runs the checks; `/metrics` is for Prometheus."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = await _answer(scope["path"], checks)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": body})

    return app


async def _answer(path: str, checks: dict[str, Check]) -> tuple[int, str, bytes]:
    if path == "/livez":
        return 200, "text/plain", b"ok\n"
    if path == "/readyz":
        problems = [f"{name}: {problem}" for name, check in checks.items() if (problem := await check())]
        return (503 if problems else 200), "text/plain", ("\n".join(problems) or "ready").encode() + b"\n"
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    return 404, "text/plain", b"not found\n"


class Server(uvicorn.Server):
    """Serves until `should_exit` is set. Leaves signals to the service, which stops in an order of its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HealthServer(Server):
    """Serves the three paths."""

    def __init__(self, checks: dict[str, Check]) -> None:
        super().__init__(
            uvicorn.Config(asgi_app(checks), log_config=None, access_log=False, lifespan="off", loop="none")
        )


def listen(host: str, port: int, shared: bool = False) -> socket.socket:
    """A socket on that address. Replicas can share it: the kernel spreads the connections. Raises OSError.

    A server that finds its address taken itself leaves the process at once, whatever the process is doing.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener
