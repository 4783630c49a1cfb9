"""Sockets that send little, late or too much cannot keep a server from others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from libs.runtime.process import http_guard
from libs.runtime.process.http_guard import ConnectionLimits, GuardedServer
from libs.runtime.process.serving import listen
from libs.runtime.process.testing import eventually

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
SHORT = ConnectionLimits(head_seconds=0.3, body_seconds=0.6)


async def echo_length(scope: object, receive: object, send: object) -> None:
    assert callable(receive) and callable(send)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(str(size)))]})
    await send({"type": "http.response.body", "body": str(size).encode()})


@asynccontextmanager
async def serving(limits: ConnectionLimits) -> AsyncIterator[int]:
    """The port of a server with these limits."""
    server, listener = GuardedServer(echo_length, limits, ws="none"), listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: _started(server))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def _started(server: GuardedServer) -> bool:
    return server.started


@pytest.fixture(autouse=True)
def swept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "SWEEP_SECONDS", 0.05)


async def exchange(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """All that comes back before the server closes the connection, or nothing comes for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    with suppress(ConnectionError, TimeoutError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        while part := await asyncio.wait_for(reader.read(65536), 3):
            received += part
            if b"200 OK" in received:
                break
    writer.close()
    return received


async def test_ordinary_requests_are_answered() -> None:
    async with serving(SHORT) as port:
        assert (await exchange(port, GET)).endswith(b"0")
        assert (await exchange(port, POST_HEAD, b"0123456789")).endswith(b"10")


async def test_a_kept_connection_serves_one_request_after_another() -> None:
    async with serving(SHORT) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(GET)
            assert b"200 OK" in await reader.read(4096)
            await asyncio.sleep(0.5)  # longer than a head may take: nothing was begun
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHos"])
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async with serving(SHORT) as port:
        assert b"408" in await exchange(port, sent)


async def test_a_head_that_drips_ends_too() -> None:
    async with serving(SHORT) as port:
        assert b"200" not in await exchange(port, *[bytes([byte]) for byte in GET], pause=0.05)


async def test_a_body_that_does_not_come_ends_the_connection() -> None:
    async with serving(SHORT) as port:
        assert await exchange(port, POST_HEAD, b"012") == b""


async def test_a_long_body_that_keeps_coming_may_take_longer() -> None:
    async with serving(ConnectionLimits(body_seconds=0.6, body_rate=100_000)) as port:
        head = POST_HEAD.replace(b"10", b"200000")
        assert (await exchange(port, head, *[b"x" * 20_000] * 10, pause=0.15)).endswith(b"200000")


async def test_a_head_that_is_too_large_is_refused_before_it_is_held() -> None:
    async with serving(ConnectionLimits()) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nX: ", *[b"a" * 16384] * 64)
    assert b" 431 " in answer or answer == b""


async def test_a_head_with_too_many_fields_is_refused() -> None:
    async with serving(ConnectionLimits()) as port:
        fields = b"".join(b"X-%d: 1\r\n" % number for number in range(101))
        assert b" 400 " in await exchange(port, b"GET / HTTP/1.1\r\n" + fields + b"\r\n")


async def test_a_large_body_right_behind_its_head_is_no_large_head() -> None:
    async with serving(ConnectionLimits()) as port:
        head = POST_HEAD.replace(b"10", b"100000")
        assert (await exchange(port, head + b"x" * 100000)).endswith(b"100000")


async def test_one_peer_has_only_so_many_connections_unless_it_is_a_proxy() -> None:
    async with serving(ConnectionLimits(peer_connections=2)) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await exchange(port, GET) == b""
        for _, writer in kept:
            writer.close()
        await asyncio.sleep(0.1)
        assert b"200 OK" in await exchange(port, GET)
    async with serving(ConnectionLimits(peer_connections=2, trusted_proxies=("127.0.0.0/8",))) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert b"200 OK" in await exchange(port, GET)
        for _, writer in kept:
            writer.close()


async def test_the_shipped_limits() -> None:
    limits = ConnectionLimits()
    assert (limits.head_seconds, limits.head_bytes, limits.head_fields) == (10.0, 32 * 1024, 100)
