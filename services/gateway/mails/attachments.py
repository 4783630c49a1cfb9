"""Files that go with a mail: checked here, and handed to delivery in pieces that the bus can carry."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta

from libs.schemas.base import FieldError, View
from libs.schemas.delivery.content import (
    MAX_ATTACHED_BYTES,
    MAX_ATTACHMENTS,
    PIECE_BYTES,
    Attachment,
    StoreFilePiece,
)
from services.gateway.http.api_request import ApiRequest

AT_ONCE = 4
"""Pieces on their way to delivery for one request."""

MEGABYTES = MAX_ATTACHED_BYTES // 1024**2
FILENAME = r'^[^"\x00-\x1f\x7f]+$'
CONTENT_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]*)?$"
CONTENT_ID = r"^[!-;=?-~]+$"


class AttachmentBody(View, frozen=True, kw_only=True):
    """A file in Base64. An `inline` one is shown where the HTML says `cid:` and its `contentId`."""

    filename: Annotated[str, Meta(min_length=1, max_length=255, pattern=FILENAME, examples=["invoice.pdf"])]
    content: Annotated[bytes, Meta(min_length=1)]
    content_type: Annotated[str, Meta(max_length=255, pattern=CONTENT_TYPE, examples=["application/pdf"])]
    content_id: Annotated[str, Meta(max_length=255, pattern=CONTENT_ID)] | None = None
    disposition: Literal["attachment", "inline"] = "attachment"

    @property
    def described(self) -> Attachment:
        return Attachment(
            filename=self.filename,
            content_type=self.content_type,
            digest=sha256(self.content).hexdigest(),
            size=len(self.content),
            content_id=self.content_id,
            inline=self.disposition == "inline",
        )


Attachments = Annotated[list[AttachmentBody], Meta(max_length=MAX_ATTACHMENTS)]


def attachment_errors(files: Sequence[AttachmentBody]) -> list[FieldError]:
    """What is wrong with them beside their fields. Their size is counted as they come, in Base64."""
    wrong = [
        FieldError(field=f"attachments.{n}.contentId", message="Required for inline attachments", code="required")
        for n, file in enumerate(files)
        if file.disposition == "inline" and not file.content_id
    ]
    if sum(4 * -(-len(file.content) // 3) for file in files) > MAX_ATTACHED_BYTES * 4 // 3:
        message = f"Total attachment size must not exceed {MEGABYTES}MB"
        wrong.append(FieldError(field="attachments", message=message, code="too_big"))
    return wrong


async def store_attachments(request: ApiRequest, files: Sequence[AttachmentBody]) -> list[Attachment]:
    """The attachments once delivery has all their bytes, each file once however often it is attached."""
    described = await asyncio.to_thread(lambda: [file.described for file in files])
    contents = {each.digest: file.content for each, file in zip(described, files, strict=True)}
    places = [
        (digest, number, start)
        for digest, content in contents.items()
        for number, start in enumerate(range(0, len(content), PIECE_BYTES))
    ]
    for at in range(0, len(places), AT_ONCE):
        await asyncio.gather(
            *(
                request.execute(
                    StoreFilePiece(digest=digest, number=number, data=contents[digest][start : start + PIECE_BYTES]),
                    f"file {digest} {number}",
                )
                for digest, number, start in places[at : at + AT_ONCE]
            )
        )
    return described
