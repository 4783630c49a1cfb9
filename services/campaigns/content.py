"""What templates and campaigns share: content that can be sent, from a domain that is the project's."""

import msgspec

from libs.runtime.codec import encode
from libs.runtime.liquid import mistake_in
from libs.runtime.rejection import Rejected
from libs.schemas.base import FieldError
from libs.schemas.delivery import Content

MAX_CONTENT_BYTES = 768 * 1024
"""An event is a message of the bus, which takes 1 MiB with its headers."""


class Absent(msgspec.Struct, frozen=True):
    """There is no such thing yet. `verified_domains` holds the sender domains that the new one may use."""

    verified_domains: frozenset[str] = frozenset()


def invalid(*errors: FieldError) -> Rejected:
    return Rejected("VALIDATION_ERROR", "Request validation failed", errors=list(errors))


def sender_domain(content: Content) -> str:
    """The domain of the from address, in lower case; empty if the address has none."""
    return content.from_email.rpartition("@")[2].strip().lower() if "@" in content.from_email else ""


def require_sendable(content: Content, verified_domains: frozenset[str]) -> None:
    """Refuse content that could not be sent."""
    if errors := _mistakes(content):
        raise invalid(*errors)
    domain = sender_domain(content)
    if domain not in verified_domains:
        raise Rejected(
            "DOMAIN_NOT_VERIFIED",
            f'Domain "{domain}" is not verified. Verify the domain before you send from it.',
            details={"domain": domain},
        )


def _mistakes(content: Content) -> list[FieldError]:
    if len(encode(content)) > MAX_CONTENT_BYTES:
        return [FieldError(field="body", message=f"Content is limited to {MAX_CONTENT_BYTES} bytes", code="too_big")]
    errors = [
        FieldError(field=field, message=str(mistake), code="invalid_template")
        for field, text in (("subject", content.subject), ("body", content.body))
        if (mistake := mistake_in(text))
    ]
    if "\n" in content.subject or "\r" in content.subject:
        errors.append(FieldError(field="subject", message="A subject is one line", code="invalid_string"))
    return errors
