"""A load generator on raw keep-alive connections, whose own cost is small compared to what it measures."""

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import quantiles
from typing import cast
from urllib.parse import urlsplit

import msgspec

LIMIT = 120.0


class Measured(msgspec.Struct, frozen=True):
    """One run: requests per second, latencies in milliseconds, and how many responses were not 2xx."""

    connections: int
    requests: int
    seconds: float
    p50: float
    p95: float
    p99: float
    errors: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Connection(asyncio.Protocol):
    """Sends one request after the other on one connection, until `next_request` returns none."""

    def __init__(self, next_request: Callable[[], bytes | None], finished: "asyncio.Future[None]") -> None:
        self._next_request = next_request
        self._finished = finished
        self._buffer = b""
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.errors = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _content_length(head):
            return
        self._buffer = b""
        self.latencies.append(time.perf_counter() - self._sent_at)
        self.errors += not head.startswith(b"HTTP/1.1 2")
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(ConnectionError(f"the server closed the connection: {error}"))

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self._finished.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def post(url: str, headers: dict[str, str], bodies: Iterator[bytes], connections: int) -> Measured:
    """POST every body once, on this many connections."""
    head = _head("POST", url, urlsplit(url).path, headers)
    return await _run(
        url, (b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body) for body in bodies), connections
    )


async def get(url: str, headers: dict[str, str], paths: Iterator[str], connections: int) -> Measured:
    """GET every path once, on this many connections."""
    return await _run(url, (_head("GET", url, path, headers) + b"\r\n" for path in paths), connections)


def _head(method: str, url: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n").encode()


async def _run(url: str, requests: Iterator[bytes], connections: int) -> Measured:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    made: list[Connection] = []
    for end in ends:
        factory = partial(Connection, partial(next, requests, None), end)
        _, connection = await loop.create_connection(factory, parts.hostname or "localhost", parts.port or 80)
        made.append(connection)
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(*ends)
    seconds = time.perf_counter() - started
    return _summary(connections, made, seconds)


def _summary(connections: int, made: list[Connection], seconds: float) -> Measured:
    latencies = sorted(latency for connection in made for latency in connection.latencies)
    cuts = quantiles(latencies, n=100)
    errors = sum(connection.errors for connection in made)
    return Measured(connections, len(latencies), seconds, cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000, errors)


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)
