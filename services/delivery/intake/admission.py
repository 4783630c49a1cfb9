"""Decides whether transactional mail is accepted, given what was looked up before. Pure."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from libs.kernel.field_errors import field_error
from libs.kernel.mail_headers import header_errors
from libs.kernel.rejection import Rejected, invalid, invalid_fields
from libs.schemas.base import FieldError
from libs.schemas.delivery.content import MAX_ATTACHED_BYTES, MAX_ATTACHMENTS, Attachment, Content
from libs.schemas.delivery.emails import CheckOrder, EmailQueued, EmailRecipient, SendEmail, SendEmails
from services.delivery.ledger.mail import NO_OPTIONS
from services.delivery.rendering.content import domain_of, overridden
from services.delivery.rendering.templates import BadTemplate, check

DomainStatus = Literal["verified", "unverified", "unknown"]
SendRequest: TypeAlias = SendEmail | SendEmails | CheckOrder

MAX_CONTENT_BYTES = 768 * 1024
"""A queued mail is an event, and a message on the bus has at most 1 MiB including its headers."""

DOMAIN_ERRORS: dict[DomainStatus, tuple[str, str]] = {
    "unknown": ("DOMAIN_NOT_REGISTERED", "is not registered. Please add and verify this domain before sending emails."),
    "unverified": ("DOMAIN_NOT_VERIFIED", "is not verified. Please verify this domain before sending emails."),
}


def recipients_of(command: SendEmail | SendEmails) -> Sequence[EmailRecipient]:
    """Return the recipients of either command."""
    if isinstance(command, SendEmails):
        return command.recipients
    return [
        EmailRecipient(
            email_id=command.email_id,
            contact_id=command.contact_id,
            address=command.recipient,
            subscribed=command.subscribed,
            name=command.extras.name,
        )
    ]


def content_of(request: SendRequest, template: Content | None, sender: str | None = None) -> Content:
    """Return the content of the request, or its template with the request's overrides.

    `sender` becomes the sender address if the content has none. Raises Rejected if the project has no such template, or
    an override has the wrong type.
    """
    content = _content(request, template)
    return replace(content, from_email=sender) if sender and not content.from_email else content


def admit(request: SendRequest, content: Content, domain: DomainStatus, untracked: bool = True) -> None:
    """Raise Rejected if this content could not be sent to anyone.

    `untracked` tells whether this installation can send without tracking.
    """
    if domain != "verified":
        _reject_domain(content, domain)
    if wrong := [_header_error(*error) for error in header_errors(request.extras.headers)]:
        raise invalid_fields(wrong)
    if not (request.extras.tracking or untracked):
        message = "Tracking cannot be turned off: GODWIT_CONFIGURATION_SET_UNTRACKED is not set"
        raise invalid("tracking", message, "unsupported")
    _check_attachments(request.extras.attachments)
    _check_templates(content)


def decide(
    command: SendEmail | SendEmails, content: Content, domain: DomainStatus, untracked: bool = True
) -> list[EmailQueued]:
    """Return the events that queue the mails, one per recipient. Raise Rejected if any of them must not be sent."""
    admit(command, content, domain, untracked)
    recipients = recipients_of(command)
    if content.kind == "MARKETING":
        _reject_unsubscribed(recipients)
    return [_queued(command, content, recipient) for recipient in recipients]


def _content(request: SendRequest, template: Content | None) -> Content:
    if request.content:
        return request.content
    if template is None:
        template_id = str(request.template_id)
        details = {"resource": "Template", "id": template_id}
        raise Rejected("TEMPLATE_NOT_FOUND", f'Template with ID "{template_id}" was not found', details=details)
    try:
        return overridden(template, request.overrides)
    except msgspec.ValidationError as wrong:
        raise invalid_fields([field_error("overrides", str(wrong), "invalid_type")]) from wrong


def _queued(command: SendEmail | SendEmails, content: Content, recipient: EmailRecipient) -> EmailQueued:
    extras = command.extras
    if recipient.name != extras.name:
        extras = replace(extras, name=recipient.name)
    return EmailQueued(
        email_id=recipient.email_id,
        contact_id=recipient.contact_id,
        source="TRANSACTIONAL",
        recipient=recipient.address,
        template_id=None if command.content else command.template_id,
        content=content if command.content else None,
        data=command.data,
        kind=content.kind,
        extras=None if extras == NO_OPTIONS else extras,
    )


def _reject_unsubscribed(recipients: Sequence[EmailRecipient]) -> None:
    for recipient in recipients:
        if not recipient.subscribed:
            raise Rejected(
                "CONTACT_UNSUBSCRIBED",
                f"Cannot send marketing template to unsubscribed contact {recipient.address}. "
                "Use a transactional template, or subscribe the contact first.",
            )


def _reject_domain(content: Content, status: DomainStatus) -> None:
    name = domain_of(content)
    if not name:
        raise invalid("from", "Could not parse sender email", "required")
    code, message = DOMAIN_ERRORS[status]
    raise Rejected(code, f'Domain "{name}" {message}', details={"domain": name})


def _check_attachments(attachments: Sequence[Attachment]) -> None:
    if len(attachments) > MAX_ATTACHMENTS:
        raise invalid("attachments", f"At most {MAX_ATTACHMENTS} files can be attached", "too_big")
    if sum(each.size for each in attachments) > MAX_ATTACHED_BYTES:
        megabytes = MAX_ATTACHED_BYTES // 1024**2
        raise invalid("attachments", f"Total attachment size must not exceed {megabytes}MB", "too_big")


def _check_templates(content: Content) -> None:
    if len(msgspec.json.encode(content)) > MAX_CONTENT_BYTES:
        raise invalid("body", f"Content must not exceed {MAX_CONTENT_BYTES} bytes", "too_big")
    for field, source in (("subject", content.subject), ("body", content.body)):
        try:
            check(source)
        except BadTemplate as bad:
            raise invalid(field, f"Line {bad.line}, column {bad.column}: {bad.message}", "invalid_template") from bad


def _header_error(name: str, message: str, code: str) -> FieldError:
    return FieldError(field=f"headers.{name}".rstrip("."), message=message, code=code)
