"""Limits on HTTP connections that uvicorn has no settings for: nobody holds one for nothing, or fills the memory.

uvicorn waits for ever for the rest of a head or a body, and takes in headers of any size. So a few thousand sockets
that send nothing, or hundreds of megabytes of one header, would end a process.

Deadlines are swept once a second for all connections together, which costs a request two assignments.
"""

import asyncio
import socket
from collections import Counter
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.runtime.process.serving import Server

SWEEP_SECONDS = 1.0


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may take, and how many there may be.

    A head may take `head_seconds` and `head_bytes`, in at most `head_fields` fields; the body of a request may take
    `body_seconds` from its first byte, and longer only if at least `body_rate` bytes arrive in a second.
    `peer_connections` is how many one address may have open; peers in `trusted_proxies` (networks such as `10.0.0.0/8`)
    speak for many and are only counted together.
    """

    head_seconds: float = 10.0
    head_bytes: int = 32 * 1024
    head_fields: int = 100
    body_seconds: float = 60.0
    body_rate: int = 64 * 1024
    connections: int = 4096
    peer_connections: int = 1024
    trusted_proxies: tuple[str, ...] = ()


USUAL = ConnectionLimits()


class Connections:
    """The open connections of a server."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: set[_GuardedProtocol] = set()
        self._by_peer: Counter[str] = Counter()
        self._trusted = tuple(ip_network(network) for network in limits.trusted_proxies)

    def admit(self, connection: "_GuardedProtocol", peer: str) -> bool:
        """Count the connection, unless there are too many."""
        if len(self._open) >= self.limits.connections:
            return False
        if self._by_peer[peer] >= self.limits.peer_connections and not self._is_trusted(peer):
            return False
        self._open.add(connection)
        self._by_peer[peer] += 1
        return True

    def forget(self, connection: "_GuardedProtocol", peer: str) -> None:
        if connection in self._open:
            self._open.discard(connection)
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    async def sweep(self) -> None:
        """Close what is past its deadline, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for connection in [each for each in self._open if each.deadline < now]:
                connection.time_out()

    def _is_trusted(self, peer: str) -> bool:
        with suppress(ValueError):
            address = ip_address(peer)
            return any(address in network for network in self._trusted)
        return False


NEVER = float("inf")


class _GuardedProtocol(HttpToolsProtocol):
    """One connection, within limits. `open_connections` are those of its server."""

    open_connections: Connections

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deadline = NEVER
        self._limits = self.open_connections.limits
        self._in_head = True
        self._head_bytes = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.open_connections.admit(self, self._peer):
            self.deadline = self.loop.time() + self._limits.head_seconds
        else:
            self._refused = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.forget(self, self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused or (self._in_head and not self._takes_head(data)):
            return
        super().data_received(data)

    def _takes_head(self, data: bytes) -> bool:
        if self.deadline == NEVER:  # the first bytes of the next request of a connection that is kept
            self.deadline = self.loop.time() + self._limits.head_seconds
        self._head_bytes += len(data)
        if self._head_bytes > self._limits.head_bytes and not self._ends_in(data):
            self._refuse(431)
            return False
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._limits.head_fields:
            raise httptools.HttpParserError("too many header fields")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self.deadline = self.loop.time() + self._limits.body_seconds
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.deadline += len(body) / self._limits.body_rate
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.deadline = NEVER
        self._in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.deadline = NEVER

    def time_out(self) -> None:
        """Close a connection whose head or body did not come in time, unless it is we who do not read."""
        if self.flow.read_paused:
            self.deadline = self.loop.time() + self._limits.body_seconds
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._refused = True
        self.deadline = NEVER
        if not self.transport.is_closing():
            if self._in_head:
                self.transport.write(STATUS_LINE[status] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()
            else:
                self.transport.abort()

    def _ends_in(self, data: bytes) -> bool:
        """Whether the head may end within this piece, before its limit."""
        room = len(data) - (self._head_bytes - self._limits.head_bytes)
        return room > 0 and b"\r\n\r\n" in data[: room + 3]

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""


class GuardedServer(Server):
    """A server whose connections are within limits. `options` are those of `uvicorn.Config`."""

    def __init__(self, app: Any, limits: ConnectionLimits = USUAL, **options: Any) -> None:
        self._guarded = Connections(limits)
        protocol = type("GuardedProtocol", (_GuardedProtocol,), {"open_connections": self._guarded})
        super().__init__(
            uvicorn.Config(
                app, http=protocol, lifespan="off", loop="none", log_config=None, access_log=False, **options
            )
        )

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        sweeping = asyncio.create_task(self._guarded.sweep())
        try:
            await super().serve(sockets)
        finally:
            sweeping.cancel()
