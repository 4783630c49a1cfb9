"""A file in a form (multipart/form-data, RFC 7578), read as it arrives: never more than one piece is held."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError, body_timeout, invalid_field, too_large

IDLE_SECONDS = 30.0
"""The longest pause between two pieces of a body."""

TOTAL_SECONDS = 15 * 60.0
MAX_PARTS = 8
MAX_FORM_OVERHEAD = 64 * 1024
"""How many bytes a form may have besides its file."""


async def file_in(request: ApiRequest, field: str, limit: int) -> AsyncIterator[bytes]:
    """Yield the content of the form's file, of at most `limit` bytes. Raises ApiError for an invalid form."""
    form, found = _form(request, limit), False
    async for piece in _body(request, limit):
        for part, content in form.parse(piece):
            if part.name != field:
                continue
            found = True
            if content:
                yield content
    form.close()
    if not found:
        raise invalid_field(field, "CSV file is required", "required")


def _form(request: ApiRequest, limit: int) -> "_Form":
    content_type = request.context.headers.get(b"content-type", b"").decode("latin-1")
    media_type, options = parse_options_header(content_type)
    if media_type.lower() != "multipart/form-data" or not options.get("boundary"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "The Content-Type must be multipart/form-data with a boundary")
    request.require_no_content_encoding()
    try:
        return _Form(options["boundary"], limit)
    except MultipartError as error:
        raise _malformed(error) from error


class _Form:
    """The parser of a form, and the part that it is in."""

    def __init__(self, boundary: str, limit: int) -> None:
        self._parser = PushMultipartParser(boundary, max_segment_size=limit, max_segment_count=MAX_PARTS, strict=True)
        self._part: MultipartSegment | None = None
        self._limit = limit

    def parse(self, piece: bytes) -> Iterator[tuple[MultipartSegment, bytes]]:
        """Yield what the piece holds of each part. Every part is announced once with no content."""
        try:
            for event in self._parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    self._part = event
                    yield event, b""
                elif event and self._part:
                    yield self._part, bytes(event)
        except ParserLimitReached as error:
            raise too_large(self._limit) from error
        except (MultipartError, ValueError) as error:
            raise _malformed(error) from error

    def close(self) -> None:
        """Raise ApiError if the form is incomplete."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise _malformed(error) from error


async def _body(request: ApiRequest, file_limit: int) -> AsyncIterator[bytes]:
    """Yield the pieces of the body. Raises ApiError if there are too many or they arrive too slowly."""
    limit = file_limit + MAX_FORM_OVERHEAD
    declared = request.context.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(file_limit)
    loop = asyncio.get_running_loop()
    size, deadline, more = 0, loop.time() + TOTAL_SECONDS, True
    while more:
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + IDLE_SECONDS)):
                piece, more = await request.chunk()
        except TimeoutError:
            raise body_timeout() from None
        size += len(piece)
        if size > limit:
            raise too_large(file_limit)
        if piece:
            yield piece


def _malformed(cause: Exception) -> ApiError:
    return ApiError(400, "BAD_REQUEST", f"Invalid multipart/form-data: {cause}")
