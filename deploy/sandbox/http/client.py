"""HTTP POSTs over kept-alive connections, at a fraction of a general client's cost. They return only the status."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 15.0  # as long as SNS waits
MAX_IDLE = 128
ANSWER = 200  # a status below this only announces the actual response

# What a caller has to expect from a network. httptools errors mean that the peer does not speak HTTP.
NETWORK_ERRORS = (OSError, TimeoutError, httptools.HttpParserError)


class Client:
    """Sends to one URL. Many tasks may use it at once; each has its own connection for the duration of a request."""

    def __init__(self, url: str) -> None:
        self._url: SplitResult = urlsplit(url)
        self._idle: list[Connection] = []

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status of the response. Raise one of NETWORK_ERRORS if there is none in time."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                break
        else:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                connection = await Connection.open(self._url)
        return await self._exchange(connection, self._request(body, headers))

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _exchange(self, connection: "Connection", request: bytes) -> int:
        reusable = False
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                status, reusable = await connection.exchange(request)
            return status
        finally:
            if reusable and len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
            else:
                connection.close()

    def _request(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        host = self._url.netloc.rpartition("@")[2]
        lines = [f"POST {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "\r\n"]).encode() + body


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self._answered: asyncio.Future[tuple[int, bool]] | None = None
        self.is_closed = False

    @classmethod
    async def open(cls, url: SplitResult) -> "Connection":
        secure = url.scheme == "https"
        port = url.port or (443 if secure else 80)
        context = ssl.create_default_context() if secure else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, url.hostname or "", port, ssl=context)
        return connection

    async def exchange(self, request: bytes) -> tuple[int, bool]:
        """Return the status, and whether the connection can carry another request."""
        self._answered = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        self.is_closed = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses of asyncio's

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():
            self.close()  # data without a pending request: the connection is out of sync
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as nonsense:
            self._fail(nonsense)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._answered and not self._answered.done() and status >= ANSWER:
            self._answered.set_result((status, self._parser.should_keep_alive()))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        self._fail(ConnectionResetError("the connection was closed before the response was complete"))

    def _fail(self, error: Exception) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(error)
