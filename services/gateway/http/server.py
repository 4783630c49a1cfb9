"""The HTTP server of a gateway process, which stops as the service does: no new requests, and those that run finish."""

import asyncio

import uvicorn
from litestar.types import ASGIApp

from libs.runtime.process.serving import Server, listen

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 30
DRAIN_SECONDS = 8


async def serve_http(app: ASGIApp, host: str, port: int) -> None:
    """Serve until cancelled, and then until what runs is answered, for at most DRAIN_SECONDS."""
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
