"""What templates and campaigns share: content that can be sent, from a domain that is the project's."""

from html import escape

import msgspec

from libs.kernel.liquid import find_mistake
from libs.kernel.rejection import Rejected, invalid_fields
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import FieldError
from libs.schemas.delivery.content import Content

MAX_CONTENT_BYTES = 768 * 1024
"""An event is a message of the bus, which takes 1 MiB with its headers."""

COPY = " (Copy)"
LONGEST_NAME = 100


def copied(name: str) -> str:
    """The name of a copy."""
    return name[: LONGEST_NAME - len(COPY)] + COPY


def domain_of(address: str) -> str:
    """The domain of an address, in lower case; empty if it has none."""
    return address.rpartition("@")[2].strip().lower() if "@" in address else ""


def require_sendable(content: Content, verified_domains: frozenset[str], preheader: str | None = None) -> None:
    """Refuse content that could not be sent. What is empty is still to be written."""
    if errors := _mistakes(content, preheader):
        raise invalid_fields(errors)
    domain = domain_of(content.from_email)
    if content.from_email and domain not in verified_domains:
        raise Rejected(
            "DOMAIN_NOT_VERIFIED",
            f'Domain "{domain}" is not verified. Verify the domain before you send from it.',
            details={"domain": domain},
        )


def with_preheader(content: Content, preheader: str | None) -> Content:
    """The content as it is sent: mail programs show what comes first in the body beside the subject."""
    if not preheader:
        return content
    hidden = (
        f'<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{escape(preheader, quote=False)}</div>'
    )
    return msgspec.structs.replace(content, body=_inserted(content.body, hidden))


def _inserted(body: str, hidden: str) -> str:
    """In a whole document it goes behind the opening of its body."""
    start = body.lower().find("<body")
    end = body.find(">", start) + 1 if start >= 0 else 0
    return body[:end] + hidden + body[end:]


def _mistakes(content: Content, preheader: str | None) -> list[FieldError]:
    if len(encode(content)) > MAX_CONTENT_BYTES:
        return [FieldError(field="body", message=f"Content is limited to {MAX_CONTENT_BYTES} bytes", code="too_big")]
    errors = [
        FieldError(field=field, message=str(mistake), code="invalid_template")
        for field, text in (("subject", content.subject), ("body", content.body), ("preheader", preheader))
        if text and (mistake := find_mistake(text))
    ]
    if "\n" in content.subject or "\r" in content.subject:
        errors.append(FieldError(field="subject", message="A subject is one line", code="invalid_string"))
    return errors
