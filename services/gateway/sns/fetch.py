"""A GET for the two small things that SNS has us fetch. Follows no redirect, uses no proxy, reads a bounded answer."""

import asyncio
import ssl
from functools import cache
from urllib.parse import urlsplit

import httptools

TIMEOUT = 3.0
MAX_HEAD = 16 * 1024
CHUNK = 16 * 1024


class FetchFailed(Exception):
    """There was no answer that can be used: not in time, not 200, too long, or not HTTP."""


async def get(url: str, limit: int) -> bytes:
    """The body of a 200 answer of at most `limit` bytes, within TIMEOUT. Raises FetchFailed."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await _exchange(url, limit)
    except (OSError, TimeoutError, ValueError, httptools.HttpParserError) as failure:
        raise FetchFailed(repr(failure)) from failure


async def _exchange(url: str, limit: int) -> bytes:
    parts = urlsplit(url)
    secure = _tls() if parts.scheme == "https" else None
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure, limit=CHUNK)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode("ascii"))
        return await _body(reader, limit)
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, limit: int) -> bytes:
    answer = _Answer()
    received = 0
    while not answer.complete:
        data = await reader.read(CHUNK)
        received += len(data)
        if not data:
            raise FetchFailed("the connection was closed before the answer was complete")
        if received > limit + MAX_HEAD:
            raise FetchFailed("the answer is too long")
        answer.parser.feed_data(data)
    if answer.parser.get_status_code() != 200 or len(answer.body) > limit:
        raise FetchFailed(f"answered {answer.parser.get_status_code()} with {len(answer.body)} bytes")
    return bytes(answer.body)


class _Answer:
    def __init__(self) -> None:
        self.complete = False
        self.body = bytearray()
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
