"""The two ports of the relay: one where clients must upgrade with STARTTLS, and one with TLS from the start."""

import asyncio
from functools import partial

import structlog
from litestar.types import ASGIApp

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.serving import listen
from libs.runtime.process.settings import Settings
from libs.runtime.timeouts import soft_timeout
from services.gateway.accounts.keys import Keys
from services.gateway.smtp.certificate import ServerCertificate, certificate_of, host_of
from services.gateway.smtp.connections import SmtpConnections
from services.gateway.smtp.parsing_pool import ParsingPool
from services.gateway.smtp.send_client import SendClient
from services.gateway.smtp.session import SmtpConnection

log = structlog.get_logger()

DRAIN_SECONDS = 8.0
HANDSHAKE_SECONDS = 10.0
"""A socket on the TLS port has no place among the connections before its handshake is done."""


async def serve_smtp(app: ASGIApp, runtime: Runtime) -> None:
    """Serve until the service stops, then until the messages being committed are answered. No port set: do nothing.

    The process is not ready before it listens.
    """
    config = runtime.settings
    if config.smtp_port is None and config.smtps_port is None:
        return
    listening = asyncio.Event()
    runtime.checks["smtp"] = lambda: _pending(listening)
    certificate = await asyncio.to_thread(certificate_of, config)
    parsing = ParsingPool()
    connections = SmtpConnections(Keys(runtime.pool), SendClient(app), parsing)
    servers = await _listen(config, connections, certificate)
    listening.set()
    log.info("smtp.listening", starttls=config.smtp_port, tls=config.smtps_port)
    try:
        await runtime.stopping.wait()
    finally:
        for server in servers:
            server.close()
        await _drain(connections)
        parsing.close()


async def _pending(listening: asyncio.Event) -> str | None:
    return None if listening.is_set() else "the SMTP relay is not listening yet"


async def _listen(
    config: Settings, connections: SmtpConnections, certificate: ServerCertificate
) -> list[asyncio.Server]:
    loop, name = asyncio.get_running_loop(), host_of(config)
    servers = []
    if config.smtp_port is not None:
        open_connection = partial(_with_starttls, connections, certificate, name)
        socket = listen(config.host, config.smtp_port, shared=True)
        servers.append(await loop.create_server(open_connection, sock=socket))
    if config.smtps_port is not None:
        open_connection = partial(_encrypted, connections, certificate, name)
        socket = listen(config.host, config.smtps_port, shared=True)
        servers.append(
            await loop.create_server(
                open_connection, sock=socket, ssl=certificate.context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        )
    return servers


def _with_starttls(connections: SmtpConnections, certificate: ServerCertificate, name: str) -> SmtpConnection:
    certificate.refresh()
    loop = asyncio.get_running_loop()
    return SmtpConnection(connections, hostname=name, loop=loop, tls_context=certificate.context, require_starttls=True)


def _encrypted(connections: SmtpConnections, certificate: ServerCertificate, name: str) -> SmtpConnection:
    certificate.refresh()
    return SmtpConnection(connections, hostname=name, loop=asyncio.get_running_loop(), encrypted=True)


async def _drain(connections: SmtpConnections) -> None:
    connections.closing = True
    for connection in list(connections.open):
        connection.close_when_idle()
    async with soft_timeout(DRAIN_SECONDS):
        await connections.all_closed.wait()
