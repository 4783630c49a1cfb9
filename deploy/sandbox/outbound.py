"""HTTP POSTs over kept-alive connections, at a fraction of a general client's cost. A status is all it returns."""

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import httptools

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 15.0  # as long as SNS waits
MAX_IDLE = 128
CHUNK = 65_536

# What a caller has to expect from a network: httptools errors mean that something else than HTTP answered.
NETWORK_ERRORS = (OSError, TimeoutError, asyncio.IncompleteReadError, httptools.HttpParserError)


class Client:
    """Sends to one URL. Used by many tasks at once; each takes a connection of its own for the time of a request."""

    def __init__(self, url: str) -> None:
        self._url: SplitResult = urlsplit(url)
        self._idle: list[Connection] = []

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer. Raises NETWORK_ERRORS when there is none in time."""
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


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: SplitResult) -> "Connection":
        secure = url.scheme == "https"
        port = url.port or (443 if secure else 80)
        context = ssl.create_default_context() if secure else None
        return cls(*await asyncio.open_connection(url.hostname, port, ssl=context))

    @property
    def is_closed(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    async def exchange(self, request: bytes) -> tuple[int, bool]:
        """Status, and whether the connection can carry another request."""
        self._writer.write(request)
        await self._writer.drain()
        answer = ParsedAnswer()
        while not answer.complete:
            data = await self._reader.read(CHUNK)
            if not data:
                raise ConnectionResetError("the connection was closed before the answer was complete")
            answer.parser.feed_data(data)
        return answer.status, answer.keeps_alive

    def close(self) -> None:
        self._writer.close()


class ParsedAnswer:
    """`status` and `keeps_alive` once it is complete; asked later, the parser speaks of the next answer already."""

    def __init__(self) -> None:
        self.complete = False
        self.status = 0
        self.keeps_alive = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        self.complete = True
        self.status = self.parser.get_status_code()
        self.keeps_alive = self.parser.should_keep_alive()
