"""A minimal HTTP layer for the sandbox: requests, responses, routes, and ways not to respond at all."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from uuid_utils import uuid4
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# ASGI defines its messages as open dictionaries.
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 56 * 1024 * 1024  # SES takes 40 MB after base64; JSON and headers come on top
MAX_SILENCE = 600.0


class ApiError(Exception):
    """An error in AWS's form: an HTTP status, a type for the `x-amzn-ErrorType` header, and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class NoResponse(Exception):
    """Raised to give the caller no response: the connection stays open in silence, or is reset (RST)."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Response(msgspec.Struct):
    """An HTTP response. A body given in pieces is sent as it is produced."""

    body: bytes | AsyncIterator[bytes] = b"{}"
    status: int = 200
    content_type: bytes = b"application/json"
    headers: list[tuple[bytes, bytes]] = []


class Request:
    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]

    def header(self, name: bytes) -> str:
        for key, value in self._scope["headers"]:
            if key == name:
                return bytes(value).decode("latin-1")
        return ""

    @property
    def query(self) -> dict[str, str]:
        """The last value of each query parameter."""
        return last_values(self._scope["query_string"])

    @property
    def query_lists(self) -> dict[str, list[str]]:
        return parse_qs(self._scope["query_string"].decode("latin-1"))

    async def body(self) -> bytes:
        chunks, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise NoResponse(reset=False)
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MAX_BODY:
                raise ApiError(413, "RequestEntityTooLargeException", "Request is larger than 40 MB.")
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue

    def reset_connection(self) -> None:
        """Close with RST: with a linger time of zero, closing discards unsent data and resets the connection."""
        transport: asyncio.Transport = self._scope["extensions"][EXTENSION]["transport"]
        linger_zero = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        transport.abort()


EXTENSION = "godwit.connection"
Handler = Callable[..., Awaitable[Response]]


class TransportProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, extended so that a request can reach its own connection. ASGI has no way to do so."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}


class Router:
    """Finds the handler for a method and path. `{name}` in a template matches one path segment."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Handler] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        if "{" not in template:
            self._exact[method, template] = handler
            return
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        self._patterns.append((method, re.compile(pattern), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        if handler := self._exact.get((method, path)):
            return handler, {}
        for known_method, pattern, handler in self._patterns:
            if known_method == method and (match := pattern.fullmatch(path)):
                return handler, match.groupdict()
        return None


async def respond(response: Response, send: Send) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"x-amzn-requestid", str(uuid4()).encode()),
        *response.headers,
    ]
    if isinstance(response.body, bytes):
        headers.append((b"content-length", b"%d" % len(response.body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    async for piece in response.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def withhold_response(request: Request, silence: NoResponse) -> None:
    if silence.reset:
        request.reset_connection()
        return
    try:
        async with asyncio.timeout(MAX_SILENCE):
            await request.disconnected()
    except TimeoutError:
        request.reset_connection()


def error_response(error: ApiError) -> Response:
    body = msgspec.json.encode({"message": error.message})
    return Response(body, error.status, headers=[(b"x-amzn-errortype", error.code.encode())])


def json_response(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status)


def last_values(form: bytes) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(form.decode("latin-1"), keep_blank_values=True).items()}
