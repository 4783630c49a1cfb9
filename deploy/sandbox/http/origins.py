"""Refuse requests that web pages make: the sandbox is for programs and for its own pages, on this machine.

A page on the internet can make its name resolve to 127.0.0.1 and read the mailbox (DNS rebinding: the Host is foreign),
or post to the sandbox from a browser on this machine (the Origin is foreign).
"""

from collections.abc import Iterable

from deploy.sandbox.http.asgi import ApiError, Request

NAMES = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT = 80
"""Clients leave it out of the Host."""


class OwnOrigin:
    """The loopback names of a sandbox with its port."""

    def __init__(self, port: int) -> None:
        self._hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == HTTP_PORT else set())
        self._origins = {f"http://{host}" for host in self._hosts}

    def check(self, request: Request) -> None:
        """Raise ApiError for a request with a foreign Host or Origin."""
        host, origin = request.header(b"host").lower(), request.header(b"origin").lower()
        if host not in self._hosts:
            raise _refusal("Host", host, self._hosts)
        if origin and origin not in self._origins:
            raise _refusal("Origin", origin, self._origins)


def _refusal(header: str, value: str, allowed: Iterable[str]) -> ApiError:
    return ApiError(
        403, "AccessDeniedException", f"{header} {value[:100]!r} is not allowed; use {' or '.join(sorted(allowed))}."
    )
