"""A file in a request (multipart/form-data, RFC 7578), taken as it arrives: nothing holds more of it than one piece."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError, invalid_field, too_large

IDLE_SECONDS = 30.0
"""Between two pieces of a body."""

TOTAL_SECONDS = 15 * 60.0
MAX_PARTS = 8
ROOM_FOR_FORM = 64 * 1024
"""What a form may have around its file."""


async def file_in(call: ApiRequest, field: str, limit: int) -> AsyncIterator[bytes]:
    """The content of the form's file, of at most `limit` bytes. Raises Problem for anything but such a form."""
    parser, found = _parser(call, limit), False
    async for piece in _body(call, limit + ROOM_FOR_FORM):
        for part, content in _parts(parser, piece):
            if part.name != field:
                continue
            found = True
            if content:
                yield content
    _close(parser)
    if not found:
        raise invalid_field(field, "CSV file is required", "required")


def _parser(call: ApiRequest, limit: int) -> "_Parser":
    kind, options = parse_options_header(call.context.headers.get(b"content-type", b"").decode("latin-1"))
    if kind.lower() != "multipart/form-data" or not options.get("boundary"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the file as multipart/form-data, in the field `file`")
    if call.context.headers.get(b"content-encoding", b"identity") != b"identity":
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as it is: no Content-Encoding is understood")
    try:
        return _Parser(options["boundary"], limit)
    except MultipartError as bad:
        raise _malformed(bad) from bad


class _Parser:
    """The parser of the form, and the part that it is in."""

    def __init__(self, boundary: str, limit: int) -> None:
        self.push = PushMultipartParser(boundary, max_segment_size=limit, max_segment_count=MAX_PARTS, strict=True)
        self.part: MultipartSegment | None = None


def _parts(parser: _Parser, piece: bytes) -> Iterator[tuple[MultipartSegment, bytes]]:
    """What the piece holds of each part; a part begins with nothing."""
    try:
        for event in parser.push.parse(piece):
            if isinstance(event, MultipartSegment):
                parser.part = event
                yield event, b""
            elif event and parser.part:
                yield parser.part, bytes(event)
    except ParserLimitReached as beyond:
        raise too_large() from beyond
    except (MultipartError, ValueError) as bad:
        raise _malformed(bad) from bad


def _close(parser: _Parser) -> None:
    try:
        parser.push.close()
    except MultipartError as bad:
        raise _malformed(bad) from bad


async def _body(call: ApiRequest, limit: int) -> AsyncIterator[bytes]:
    """The body's pieces. Raises Problem if there are too many, or they take too long to arrive."""
    declared = call.context.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise too_large()
    size, until = 0, asyncio.get_running_loop().time() + TOTAL_SECONDS
    more = True
    while more:
        piece, more = await _piece(call, until)
        size += len(piece)
        if size > limit:
            raise too_large()
        if piece:
            yield piece


async def _piece(call: ApiRequest, until: float) -> tuple[bytes, bool]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(min(until, loop.time() + IDLE_SECONDS)):
            event: Any = await call.receive()
    except TimeoutError:
        raise ApiError(408, "REQUEST_TIMEOUT", "The request's body did not arrive in time") from None
    if event["type"] == "http.disconnect":
        raise ApiError(400, "BAD_REQUEST", "The connection ended before the request did")
    return event.get("body", b""), event.get("more_body", False)


def _malformed(cause: Exception) -> ApiError:
    return ApiError(400, "BAD_REQUEST", f"Not valid multipart/form-data: {cause}")
