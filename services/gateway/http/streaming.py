"""An answer that is made while it is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import structlog
from litestar.types import Receive, Scope, Send

from services.gateway.http.raw_response import RawResponse

log = structlog.get_logger()


class Streamed(RawResponse):
    """Sends pieces as they come. If one cannot be made the connection is cut, so that nobody takes a part for the
    whole; if the client goes, no more are made."""

    def __init__(self, pieces: AsyncIterator[bytes], kind: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._pieces = pieces
        self._head = [(b"content-type", kind), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._head})
        gone = asyncio.ensure_future(_gone(receive))
        try:
            async for piece in self._pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
