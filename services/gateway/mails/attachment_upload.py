"""Stores the attachments of a mail at delivery, in pieces that the bus can carry."""

import asyncio
from collections.abc import Sequence

from libs.schemas.delivery.content import PIECE_BYTES, Attachment, StoreFilePiece
from services.gateway.http.api_request import ApiRequest
from services.gateway.mails.attachments import AttachmentBody

MAX_PIECES_AT_ONCE = 4


async def store_attachments(request: ApiRequest, files: Sequence[AttachmentBody]) -> list[Attachment]:
    """Return the attachments once delivery has all their bytes. A file that is attached twice is stored once."""
    attachments = await asyncio.to_thread(lambda: [file.description() for file in files])
    contents = {each.digest: file.content for each, file in zip(attachments, files, strict=True)}
    pieces = [
        (digest, number, start)
        for digest, content in contents.items()
        for number, start in enumerate(range(0, len(content), PIECE_BYTES))
    ]
    for first in range(0, len(pieces), MAX_PIECES_AT_ONCE):
        await asyncio.gather(
            *(
                request.execute(
                    StoreFilePiece(digest=digest, number=number, data=contents[digest][start : start + PIECE_BYTES]),
                    f"file {digest} {number}",
                )
                for digest, number, start in pieces[first : first + MAX_PIECES_AT_ONCE]
            )
        )
    return attachments
