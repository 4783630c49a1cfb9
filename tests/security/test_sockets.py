"""Sockets that hold a gateway's connections, and nothing else, take nothing from others (S-15).

The attacker is one address of the loopback range, the victim another.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import httpx
import pytest

from libs.runtime.process.http_guard import USUAL
from services.gateway.http.limits import MAX_REQUESTS_PER_PROJECT
from tests.service.gateway.conftest import World

ATTACKER, VICTIM = "127.0.0.1", "127.0.0.2"
UNKNOWN = f"/commands/{uuid4()}"
"""What only the gateway itself answers."""

Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def sockets(world: World, count: int, sent: bytes) -> AsyncIterator[list[Socket]]:
    """So many connections of the attacker, on each of which this was sent and nothing after it."""
    port = world.gateway.settings.http_port
    opened = [await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0)) for _ in range(count)]
    try:
        for _, writer in opened:
            writer.write(sent)
        await asyncio.sleep(0.5)
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


@asynccontextmanager
async def victim(world: World, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {key or world.secret}"}
    transport = httpx.AsyncHTTPTransport(local_address=VICTIM)
    async with httpx.AsyncClient(base_url=world.url, headers=headers, transport=transport, timeout=5) as client:
        yield client


def post_without_body(world: World) -> bytes:
    return (
        f"POST /contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.secret}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["nothing", "half a head"])
async def test_silent_sockets_take_no_more_than_their_share(world: World, sent: bytes) -> None:
    async with sockets(world, USUAL.peer_connections + 200, sent) as held, victim(world) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get(UNKNOWN)).status_code == 404
        closed = [reader for reader, _ in held if reader.at_eof()]
        assert len(closed) >= 200


async def test_heads_without_bodies_take_one_projects_slots_only(
    world: World, other_project: httpx.AsyncClient
) -> None:
    key = other_project.headers["Authorization"].removeprefix("Bearer ")
    count = MAX_REQUESTS_PER_PROJECT + 50
    async with sockets(world, count, post_without_body(world)) as held, victim(world, key) as client:
        refused = [reader for reader, _ in held if await _status(reader) == 429]
        assert len(refused) >= 50
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get(UNKNOWN)).status_code == 404


async def test_a_header_of_megabytes_is_refused_before_it_is_held(world: World) -> None:
    port = world.gateway.settings.http_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    with suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"a" * 65536)
            await writer.drain()
    with suppress(ConnectionError):
        assert b" 431 " in await reader.read(1000)
    writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of what came back; 0 where nothing has."""
    with suppress(TimeoutError, ConnectionError, IndexError, ValueError):
        async with asyncio.timeout(0.02):
            return int((await reader.readline()).split()[1])
    return 0
