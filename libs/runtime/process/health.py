"""The health server of a process: /livez, /readyz and /metrics on their own port."""

from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.runtime.process.http_guard import GuardedServer

Check = Callable[[], Awaitable[str | None]]
"""Returns None if healthy, otherwise a short description of the problem."""


def asgi_app(checks: dict[str, Check]) -> Callable[..., Awaitable[None]]:
    """Return an app in which `/livez` shows that the event loop runs, and `/readyz` runs the checks."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = await _respond(scope["path"], checks)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": body})

    return app


async def _respond(path: str, checks: dict[str, Check]) -> tuple[int, str, bytes]:
    if path == "/livez":
        return 200, "text/plain", b"ok\n"
    if path == "/readyz":
        problems = [f"{name}: {problem}" for name, check in checks.items() if (problem := await check())]
        return (503 if problems else 200), "text/plain", ("\n".join(problems) or "ready").encode() + b"\n"
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    return 404, "text/plain", b"not found\n"


class HealthServer(GuardedServer):
    """A server of the three paths."""

    def __init__(self, checks: dict[str, Check]) -> None:
        super().__init__(asgi_app(checks))
