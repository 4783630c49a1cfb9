"""Responses that routes return: bytes and headers as they are sent."""

from collections.abc import Iterable

from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send


class RawResponse(ASGIResponse):
    """A response that is ready to be sent. Litestar's own response takes ten times as long to make."""

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        media_type: bytes = b"application/json",
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": [*_content_headers(status, media_type, body), *headers],
        }
        self._body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(self._start)
        await send(self._body)


def _content_headers(status: int, media_type: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    """A 204 has no content and no headers about it (RFC 9110, 8.6)."""
    return [] if status == 204 else [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]


def data_response(result: bytes, status: int = 200) -> RawResponse:
    """Return the result object under `data`, with its members repeated beside `success` for older clients."""
    return RawResponse(b'{"success":true,"data":' + result + b"," + result[1:], status)
