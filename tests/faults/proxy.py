"""A proxy between a service and its database or bus that fails the way networks do."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

CHUNK = 65536
COMMIT = b"COMMIT;\x00"
PULL_REQUEST = re.compile(rb"PUB \$JS\.API\.CONSUMER\.MSG\.NEXT\.\S+ \S+ (\d+)\r\n")

Pair: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FaultProxy:
    """Forwards bytes, and injects faults on request.

    - `lose_commits`: the next n COMMITs reach the server, but their connection ends before the response;
    - `swallow_pulls`: the next n pull requests for JetStream messages get lost;
    - `freeze` and `thaw`: nothing passes, and no connection ends; `freeze_open`: the connections that are open now
      stay frozen for good;
    - `cut` ends all connections; `refuses` rejects new ones.
    """

    def __init__(self, connect: Callable[[], Awaitable[Pair]]) -> None:
        self._connect = connect
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.lose_commits = 0
        self.swallow_pulls = 0
        self.refuses = False
        self.lost = 0
        """COMMITs that took effect and whose response was lost."""

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def freeze_open(self) -> None:
        for link in self._links:
            link.frozen = True

    def cut(self) -> None:
        for link in list(self._links):
            link.cut()

    async def close(self) -> None:
        self.cut()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def heal(self) -> None:
        self.lose_commits = self.swallow_pulls = 0
        self.refuses = False
        self.thaw()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        try:
            upstream = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), upstream)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def passes(self) -> None:
        await self._flowing.wait()

    def alter(self, data: bytes) -> bytes:
        """Return the client's bytes without the pull requests to swallow."""
        while self.swallow_pulls and (found := PULL_REQUEST.search(data)):
            self.swallow_pulls -= 1
            end = found.end() + int(found[1]) + len(b"\r\n")
            data = data[: found.start()] + data[end:]
        return data

    def loses(self, data: bytes) -> bool:
        """Return whether these bytes contain a COMMIT whose response must be lost."""
        if not self.lose_commits or COMMIT not in data:
            return False
        self.lose_commits -= 1
        self.lost += 1
        return True


class _Link:
    """One proxied connection."""

    def __init__(self, proxy: FaultProxy, client: Pair, server: Pair) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._losing = False
        self.frozen = False

    async def run(self) -> None:
        directions = [asyncio.create_task(self._upstream()), asyncio.create_task(self._downstream())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.cut()
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    def cut(self) -> None:
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    async def _upstream(self) -> None:
        while data := await self._client[0].read(CHUNK):
            await self._passes()
            self._losing = self._losing or self._proxy.loses(data)
            await _send(self._server[1], self._proxy.alter(data))

    async def _downstream(self) -> None:
        while data := await self._server[0].read(CHUNK):
            await self._passes()
            if self._losing:  # the server responded, so the COMMIT took effect
                return
            await _send(self._client[1], data)

    async def _passes(self) -> None:
        await self._proxy.passes()
        if self.frozen:
            await asyncio.Event().wait()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@asynccontextmanager
async def before_socket(server: Path, own: Path) -> AsyncIterator[FaultProxy]:
    """Yield a proxy that listens on the unix socket `own` and forwards to the one at `server`."""
    proxy = FaultProxy(lambda: asyncio.open_unix_connection(server))
    listening = await asyncio.start_unix_server(proxy.serve, own)
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.close()


@asynccontextmanager
async def before_port(server: int, own: int) -> AsyncIterator[FaultProxy]:
    """Yield a proxy that listens on the loopback port `own` and forwards to the port `server`."""
    proxy = FaultProxy(lambda: asyncio.open_connection("127.0.0.1", server))
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", own)
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.close()
