"""The outermost layer of the application: what applies to every request and every response.

Every response has the request's id and headers that keep browsers from guessing its type. `/api/...` is the same as
`/...`. Browsers may call `/v1` from any origin, because public keys are used in web pages; these requests carry no
cookies that could be abused. When this process already handles as many requests as it can, further ones get a 503.
"""

import re
import time
from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from libs.runtime.uuids import new_uuid
from services.gateway.bus.bus import Bus
from services.gateway.http import metrics
from services.gateway.http.errors import error_json, unavailable
from services.gateway.http.limits import Slots
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.request_context import RequestContext

MAX_IN_FLIGHT = 2_000
MAX_LARGE = 16
"""How many requests with bodies of more than 1 MiB may run at once."""
MAX_LARGE_PER_PROJECT = 6
"""How many of them may be one project's."""

ALIVE = "/livez"
"""Is answered whatever else waits: a busy process is not a dead one."""

PREFIX = "/api/"
ALIASES = {"/v1": "/v1/track", "/webhooks/incoming/sns": "/webhooks/sns"}
"""Paths of older versions of the API, and the paths that replaced them."""
PUBLIC_PATHS = "/v1"
REQUEST_ID = re.compile(rb"[!-~]{1,128}")
TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

ANY_ORIGIN = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"X-Request-ID, Idempotency-Replayed, RateLimit-Remaining, Retry-After"),
]
PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-ID"),
    (b"access-control-max-age", b"86400"),
]


class Edge:
    """Wraps the application and opens the context of each request. `bus` is the one that its routes use."""

    def __init__(self, app: ASGIApp, bus: Bus) -> None:
        self._app = app
        self._bus = bus
        self._in_flight = 0
        self._body_slots = Slots(MAX_LARGE_PER_PROJECT, MAX_LARGE)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        context = self._open(scope)
        structlog.contextvars.bind_contextvars(request=context.request_id)
        response = SendWithHeaders(send, context)
        started = time.perf_counter()
        self._in_flight += 1
        try:
            await self._handle(scope, receive, response, context)
        finally:
            self._in_flight -= 1
            context.release_body_slot()
            route = scope.get("path_template", "unknown")
            metrics.REQUESTS.labels(scope["method"], route, response.status).observe(time.perf_counter() - started)

    async def _handle(self, scope: Any, receive: Receive, send: "SendWithHeaders", context: RequestContext) -> None:
        if self._in_flight > MAX_IN_FLIGHT and scope["path"] != ALIVE:
            await _overloaded(context)(scope, receive, send)
        elif scope["method"] == "OPTIONS" and scope["path"].startswith(PUBLIC_PATHS):
            await send({"type": "http.response.start", "status": 204, "headers": PREFLIGHT})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._app(scope, receive, send)

    def _open(self, scope: Any) -> RequestContext:
        headers = dict(scope["headers"])
        scope["path"] = _canonical(scope["path"])
        context = RequestContext(
            bus=self._bus,
            body_slots=self._body_slots,
            headers=headers,
            request_id=_request_id(headers.get(b"x-request-id", b"")),
            response_headers=[(b"x-content-type-options", b"nosniff")],
            traceparent=_traceparent(headers.get(b"traceparent", b"")),
        )
        context.response_headers.append((b"x-request-id", context.request_id.encode()))
        if b"origin" in headers and scope["path"].startswith(PUBLIC_PATHS):
            context.response_headers += ANY_ORIGIN
        scope["state"] = {"context": context}
        return context


class SendWithHeaders:
    """Sends a response with the headers that the context has collected for it, and notes its status."""

    __slots__ = ("_context", "_send", "status")

    def __init__(self, send: Send, context: RequestContext) -> None:
        self._send = send
        self._context = context
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._context.response_headers]
        await self._send(message)


def _canonical(path: str) -> str:
    if path.startswith(PREFIX):
        path = path[len(PREFIX) - 1 :]
    return ALIASES.get(path, path)


def _overloaded(context: RequestContext) -> RawResponse:
    error = unavailable("Too many requests at once")
    return RawResponse(error_json(error, context.request_id), error.status, headers=[(b"retry-after", b"1")])


def _request_id(given: bytes) -> str:
    """Return the caller's own id for the request if it can be echoed and logged, else a new one."""
    return given.decode("ascii") if REQUEST_ID.fullmatch(given) else str(new_uuid())


def _traceparent(given: bytes) -> str | None:
    """Return the caller's W3C Trace Context if it is valid."""
    return given.decode("ascii") if TRACEPARENT.fullmatch(given) else None
