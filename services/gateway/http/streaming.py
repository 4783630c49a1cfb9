"""Responses that are sent while they are made."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment in an event stream, which clients ignore."""


class StreamedResponse(ASGIResponse):
    """A response whose pieces are sent as they are made, so that it is never whole in memory.

    The first piece is made before anything is sent, so that an error in it still becomes an error response. After that
    an error cuts the connection, so that nobody takes a part for the whole. No more pieces are made once the client
    has gone.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], media_type: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self._pieces = pieces
        self._headers = [(b"content-type", media_type), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await anext(self._pieces, b"")
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        disconnected = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for piece in self._pieces:
                if disconnected.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            disconnected.cancel()


def event_stream(events: AsyncIterator[bytes]) -> StreamedResponse:
    """Return the events as server-sent events; make each with `event`."""
    return StreamedResponse(events, b"text/event-stream")


def event(name: str, data: bytes) -> bytes:
    """Return a server-sent event with one line of data."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
