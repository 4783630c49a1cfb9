"""Fetching from a server that may send anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.gateway.sns import fetch
from services.gateway.sns.fetch import FetchFailed, get


@asynccontextmanager
async def server(*pieces: bytes, stay: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every request with these bytes and note it. `stay` keeps the connection open afterwards."""
    requests: list[bytes] = []
    done = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if stay:
            await done.wait()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/a.pem?b=c", requests
    finally:
        done.set()
        listening.close()
        await listening.wait_closed()


async def test_the_body_of_a_response_is_fetched_with_path_and_query() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", stay=True) as (url, requests):
        assert await get(url, 5) == b"hello"
    assert requests[0].startswith(b"GET /a.pem?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_a_chunked_response_is_fetched() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n") as (url, _):
        assert await get(url, 5) == b"hello"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000,
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"",
])  # fmt: skip
async def test_every_other_response_is_a_failure(answer: bytes) -> None:
    async with server(answer) as (url, _):
        with pytest.raises(FetchFailed):
            await get(url, 5)


async def test_a_response_that_never_ends_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.1)
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", stay=True) as (url, _):
        with pytest.raises(FetchFailed, match="Timeout"):
            await get(url, 5)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://127.0.0.1:99999/x"])
async def test_a_port_without_a_server_is_a_failure(url: str) -> None:
    with pytest.raises(FetchFailed):
        await get(url, 5)
