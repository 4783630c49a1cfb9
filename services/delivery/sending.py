"""Whether a transactional mail is taken on: a decision on facts that were looked up before. Pure."""

from typing import Any, Literal

import msgspec

from libs.runtime.rejection import Rejected
from libs.schemas.base import FieldError
from libs.schemas.delivery import Content, EmailQueued, SendEmail
from services.delivery.templates import BadTemplate, check

DomainStatus = Literal["verified", "unverified", "foreign", "unknown"]

MOST_BYTES = 768 * 1024
"""A queued mail is an event, and a message of the bus takes 1 MiB with its headers."""

REFUSALS: dict[DomainStatus, tuple[str, str]] = {
    "unknown": ("DOMAIN_NOT_REGISTERED", "is not registered. Please add and verify this domain before sending emails."),
    "foreign": ("DOMAIN_NOT_VERIFIED", "belongs to a different project. Please use a domain of this project."),
    "unverified": ("DOMAIN_NOT_VERIFIED", "is not verified. Please verify this domain before sending emails."),
}


def content_of(command: SendEmail, template: Content | None) -> Content:
    """What the mail says: the command's own content, or the template with the command's overrides.

    Raises Rejected if the template does not exist in the project, or an override is not one of a content's fields.
    """
    if command.content:
        return command.content
    if template is None:
        template_id = str(command.template_id)
        details = {"resource": "Template", "id": template_id}
        raise Rejected("TEMPLATE_NOT_FOUND", f'Template with ID "{template_id}" was not found', details=details)
    try:
        return overridden(template, command.overrides)
    except msgspec.ValidationError as wrong:
        raise _invalid("overrides", str(wrong), "invalid_type") from wrong


def overridden(content: Content, overrides: dict[str, Any]) -> Content:
    """The content with some fields replaced. Raises msgspec.ValidationError for a field of the wrong type."""
    return msgspec.convert(msgspec.to_builtins(content) | overrides, Content) if overrides else content


def decide(command: SendEmail, content: Content, domain: DomainStatus) -> EmailQueued:
    """The fact that the mail is queued. Raises Rejected with the code and message of the API."""
    if domain != "verified":
        _refuse_domain(content, domain)
    if content.kind == "MARKETING" and not command.subscribed:
        raise Rejected(
            "CONTACT_UNSUBSCRIBED",
            f"Cannot send marketing template to unsubscribed contact {command.recipient}. "
            "Use a transactional template, or subscribe the contact first.",
        )
    _check_templates(content)
    return EmailQueued(
        email_id=command.email_id,
        contact_id=command.contact_id,
        source="TRANSACTIONAL",
        recipient=command.recipient,
        template_id=command.template_id if command.content is None else None,
        content=command.content,
        data=command.data,
        kind=content.kind,
    )


def domain_of(content: Content) -> str:
    """The domain of the from address, in lower case; empty if there is none."""
    return content.from_email.strip().rpartition("@")[2].lower() if "@" in content.from_email else ""


def _refuse_domain(content: Content, status: DomainStatus) -> None:
    name = domain_of(content)
    if not name:
        raise _invalid("from", "Could not parse sender email", "required")
    code, message = REFUSALS[status]
    raise Rejected(code, f'Domain "{name}" {message}', details={"domain": name})


def _check_templates(content: Content) -> None:
    if len(msgspec.json.encode(content)) > MOST_BYTES:
        raise _invalid("body", f"Content is limited to {MOST_BYTES} bytes", "too_big")
    for field, source in (("subject", content.subject), ("body", content.body)):
        try:
            check(source)
        except BadTemplate as bad:
            raise _invalid(field, f"Line {bad.line}, column {bad.column}: {bad.message}", "invalid_template") from bad


def _invalid(field: str, message: str, code: str) -> Rejected:
    error = FieldError(field=field, message=message, code=code)
    return Rejected("VALIDATION_ERROR", "Request validation failed", errors=[error])
