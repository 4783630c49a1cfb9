"""Files that are attached to a mail, as a request carries them. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta

from libs.kernel.file_names import FILENAME
from libs.schemas.base import FieldError, View
from libs.schemas.delivery.content import MAX_ATTACHED_BYTES, MAX_ATTACHMENTS, Attachment

MEGABYTES = MAX_ATTACHED_BYTES // 1024**2
CONTENT_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[ -~]*)?$"
CONTENT_ID = r"^[!-;=?-~]+$"


class AttachmentBody(View, frozen=True, kw_only=True):
    """A file in Base64. An `inline` file is shown where the HTML refers to `cid:` and its `contentId`."""

    filename: Annotated[str, Meta(min_length=1, max_length=255, pattern=FILENAME, examples=["invoice.pdf"])]
    content: Annotated[bytes, Meta(min_length=1)]
    content_type: Annotated[str, Meta(max_length=255, pattern=CONTENT_TYPE, examples=["application/pdf"])]
    content_id: Annotated[str, Meta(max_length=255, pattern=CONTENT_ID)] | None = None
    disposition: Literal["attachment", "inline"] = "attachment"

    def description(self) -> Attachment:
        """Return the attachment without its content, identified by the digest of it."""
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
    """Return what is wrong beyond single fields. The size is that of the files as sent, in Base64."""
    errors = [
        FieldError(field=f"attachments.{n}.contentId", message="Required for inline attachments", code="required")
        for n, file in enumerate(files)
        if file.disposition == "inline" and not file.content_id
    ]
    if sum(4 * -(-len(file.content) // 3) for file in files) > MAX_ATTACHED_BYTES * 4 // 3:
        message = f"Total attachment size must not exceed {MEGABYTES}MB"
        errors.append(FieldError(field="attachments", message=message, code="too_big"))
    return errors
