"""The HTTP server of a gateway process. It stops with the service: no new requests, while running ones finish."""

import asyncio

import uvicorn
from litestar.types import ASGIApp

from libs.runtime.process.serving import Server, listen

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 30
DRAIN_SECONDS = 8


async def serve_http(app: ASGIApp, host: str, port: int) -> None:
    """Serve until cancelled, then wait at most DRAIN_SECONDS for the running requests."""
    server = Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve([listen(host, port, shared=True)]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
