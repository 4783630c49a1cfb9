"""The HTTP server of a gateway process. It stops with the service: no new requests, while running ones finish."""

import asyncio

from litestar.types import ASGIApp

from libs.runtime.process.http_guard import ConnectionLimits, GuardedServer
from libs.runtime.process.serving import listen
from libs.runtime.process.settings import Settings

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 30
DRAIN_SECONDS = 8


async def serve_http(app: ASGIApp, config: Settings) -> None:
    """Serve until cancelled, then wait at most DRAIN_SECONDS for the running requests."""
    server = GuardedServer(
        app,
        ConnectionLimits(trusted_proxies=config.proxies),
        ws="none",
        server_header=False,
        proxy_headers=bool(config.proxies),
        forwarded_allow_ips=list(config.proxies),
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    serving = asyncio.create_task(server.serve([listen(config.host, config.http_port, shared=True)]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
