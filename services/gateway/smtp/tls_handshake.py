"""TLS from the first byte.

A socket takes its place before the handshake, so that silent ones are counted and closed as any others.
"""

import asyncio
import ssl
from collections.abc import Callable

from services.gateway.smtp.session import SmtpConnection

HANDSHAKE_SECONDS = 10.0


class TlsHandshake(asyncio.Protocol):
    """Becomes the connection that `open_connection` returns once the handshake is done."""

    def __init__(self, open_connection: Callable[[], SmtpConnection], context: ssl.SSLContext) -> None:
        self._connection = open_connection()
        self._context = context
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._connection.admit(transport):
            transport.abort()
        else:
            self._task = asyncio.get_running_loop().create_task(self._start(transport))

    async def _start(self, transport: asyncio.Transport) -> None:
        try:
            encrypted = await self._shake_hands(transport)
        except OSError:  # also of TLS, and when the client has gone
            encrypted = None
        if encrypted is None or encrypted.is_closing():
            self._connection.forget()
            transport.abort()
        else:
            self._connection.connection_made(encrypted)

    async def _shake_hands(self, transport: asyncio.Transport) -> asyncio.Transport | None:
        return await asyncio.get_running_loop().start_tls(
            transport, self._connection, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )
