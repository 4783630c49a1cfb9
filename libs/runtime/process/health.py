"""/livez, /readyz and /metrics of one process, on a port of its own."""

from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.runtime.process.serving import Server

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


class HealthServer(Server):
    """Serves the three paths."""

    def __init__(self, checks: dict[str, Check]) -> None:
        super().__init__(
            uvicorn.Config(asgi_app(checks), log_config=None, access_log=False, lifespan="off", loop="none")
        )
