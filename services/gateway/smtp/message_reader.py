"""Reads a message that a client sends after DATA, block by block: lines cost nothing, however many there are."""

import asyncio

from services.gateway.smtp.message_limits import MessageRefused

CRLF = b"\r\n"
DOT = b".\r\n"


async def read_message(reader: asyncio.StreamReader, limit: int) -> bytes:
    """Return the message before the line with the single dot, without the dots that the client doubled.

    Raises MessageRefused for more than `limit` bytes, after all of them have been read.
    """
    # The first line may be the dot already, and the line before it has been read as a command.
    reader._buffer[:0] = CRLF  # type: ignore[attr-defined]
    content, size, ended = bytearray(), -len(CRLF + DOT), False
    while not ended:
        piece, ended = await _next_piece(reader)
        size += len(piece)
        if size > limit:
            content.clear()
        else:
            content += piece
    if size > limit:
        raise MessageRefused(f"552 5.3.4 message too large (limit: {limit >> 20} MiB)")
    del content[-len(DOT) :]
    content = content.replace(CRLF + b".", CRLF)
    del content[: len(CRLF)]
    return bytes(content)


async def _next_piece(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Return what comes next, and whether it is the end."""
    try:
        return await reader.readuntil(CRLF + DOT), True
    except asyncio.LimitOverrunError as overrun:
        return await reader.read(overrun.consumed), False


class UploadDeadline:
    """When the next bytes of a message must be there: soon, and on the whole not too slowly."""

    PAUSE_SECONDS = 120.0
    START_SECONDS = 120.0
    MIN_BYTES_PER_SECOND = 32 * 1024

    def __init__(self, now: float) -> None:
        self._last = now + self.START_SECONDS

    def after(self, size: int, now: float) -> float:
        """Return how many seconds the client has for its next bytes, after so many."""
        self._last += size / self.MIN_BYTES_PER_SECOND
        return max(0.0, min(self.PAUSE_SECONDS, self._last - now))
