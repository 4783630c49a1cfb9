"""The rules that templates and campaigns share: which content can be sent, and how a preheader becomes part of it."""

from html import escape

import msgspec

from libs.kernel.liquid import find_mistake
from libs.kernel.rejection import Rejected, invalid_fields
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import FieldError
from libs.schemas.delivery.content import Content

MAX_CONTENT_BYTES = 768 * 1024
"""An event is one message on the bus, which takes 1 MiB including headers."""

COPY = " (Copy)"
MAX_NAME = 100


def copied_name(name: str) -> str:
    """Return the name of a duplicate."""
    return name[: MAX_NAME - len(COPY)] + COPY


def domain_of(address: str) -> str:
    """Return the domain of an address in lower case, or an empty string."""
    return address.rpartition("@")[2].strip().lower() if "@" in address else ""


def require_sendable(content: Content, verified_domains: frozenset[str], preheader: str | None = None) -> None:
    """Raise Rejected for content that could not be sent. Empty fields are allowed: they are not written yet."""
    if errors := _content_errors(content, preheader):
        raise invalid_fields(errors)
    domain = domain_of(content.from_email)
    if content.from_email and domain not in verified_domains:
        raise Rejected(
            "DOMAIN_NOT_VERIFIED",
            f'Domain "{domain}" is not verified. Verify the domain before you send from it.',
            details={"domain": domain},
        )


def with_preheader(content: Content, preheader: str | None) -> Content:
    """Return the content as it is sent: mail programs show the beginning of the body next to the subject."""
    if not preheader:
        return content
    hidden = (
        f'<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{escape(preheader, quote=False)}</div>'
    )
    return msgspec.structs.replace(content, body=_insert(content.body, hidden))


def _insert(body: str, hidden: str) -> str:
    """Insert at the beginning of the body, which in a whole document is after its `<body>` tag."""
    start = body.lower().find("<body")
    end = body.find(">", start) + 1 if start >= 0 else 0
    return body[:end] + hidden + body[end:]


def _content_errors(content: Content, preheader: str | None) -> list[FieldError]:
    if len(encode(content)) > MAX_CONTENT_BYTES:
        return [FieldError(field="body", message=f"Content is limited to {MAX_CONTENT_BYTES} bytes", code="too_big")]
    errors = [
        FieldError(field=field, message=str(mistake), code="invalid_template")
        for field, text in (("subject", content.subject), ("body", content.body), ("preheader", preheader))
        if text and (mistake := find_mistake(text))
    ]
    if "\n" in content.subject or "\r" in content.subject:
        errors.append(
            FieldError(field="subject", message="Subject must not contain line breaks", code="invalid_string")
        )
    return errors
