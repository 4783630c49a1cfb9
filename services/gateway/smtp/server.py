"""The relay's two ports: one where clients begin in the clear and must go on with STARTTLS, one with TLS throughout."""

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
from services.gateway.smtp.send_client import SendClient
from services.gateway.smtp.session import Relay, SmtpConnection

log = structlog.get_logger()

DRAIN_SECONDS = 8.0


async def serve_smtp(app: ASGIApp, runtime: Runtime) -> None:
    """Serve until the service stops, and then until what is being committed is answered. Nothing if no port is set.

    The process is ready once it listens.
    """
    config = runtime.settings
    if config.smtp_port is None and config.smtps_port is None:
        return
    listening = asyncio.Event()
    runtime.checks["smtp"] = lambda: _pending(listening)
    certificate = await asyncio.to_thread(certificate_of, config)
    door = Relay(Keys(runtime.pool), SendClient(app))
    servers = await _listen(config, door, certificate)
    listening.set()
    log.info("smtp.listening", starttls=config.smtp_port, tls=config.smtps_port)
    try:
        await runtime.stopping.wait()
    finally:
        for server in servers:
            server.close()
        await _drain(door)


async def _pending(listening: asyncio.Event) -> str | None:
    return None if listening.is_set() else "the SMTP relay does not listen yet"


async def _listen(config: Settings, door: Relay, certificate: ServerCertificate) -> list[asyncio.Server]:
    loop, name = asyncio.get_running_loop(), host_of(config)
    servers = []
    if config.smtp_port is not None:
        opened = partial(_in_the_clear, door, certificate, name)
        servers.append(await loop.create_server(opened, sock=listen(config.host, config.smtp_port, shared=True)))
    if config.smtps_port is not None:
        opened = partial(_encrypted, door, certificate, name)
        socket = listen(config.host, config.smtps_port, shared=True)
        servers.append(await loop.create_server(opened, sock=socket, ssl=certificate.context))
    return servers


def _in_the_clear(door: Relay, certificate: ServerCertificate, name: str) -> SmtpConnection:
    certificate.refresh()
    loop = asyncio.get_running_loop()
    return SmtpConnection(door, hostname=name, loop=loop, tls_context=certificate.context, require_starttls=True)


def _encrypted(door: Relay, certificate: ServerCertificate, name: str) -> SmtpConnection:
    certificate.refresh()
    return SmtpConnection(door, hostname=name, loop=asyncio.get_running_loop(), encrypted=True)


async def _drain(door: Relay) -> None:
    door.closing = True
    for conversation in list(door.sessions):
        conversation.leave()
    async with soft_timeout(DRAIN_SECONDS):
        await door.empty.wait()
