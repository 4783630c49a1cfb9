"""Whether transactional mail is taken on: decisions on facts that were looked up before. Pure."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from libs.kernel.mail_headers import header_errors
from libs.kernel.rejection import Rejected, invalid, invalid_fields
from libs.schemas.base import FieldError
from libs.schemas.delivery.content import (
    MAX_ATTACHED_BYTES,
    MAX_ATTACHMENTS,
    Attachment,
    Content,
    MailOptions,
)
from libs.schemas.delivery.emails import (
    CheckOrder,
    EmailQueued,
    EmailRecipient,
    SendEmail,
    SendEmails,
)
from services.delivery.rendering.templates import BadTemplate, check

DomainStatus = Literal["verified", "unverified", "foreign", "unknown"]
Order: TypeAlias = SendEmail | SendEmails | CheckOrder

MAX_BYTES = 768 * 1024
"""A queued mail is an event, and a message of the bus takes 1 MiB with its headers."""

REFUSALS: dict[DomainStatus, tuple[str, str]] = {
    "unknown": ("DOMAIN_NOT_REGISTERED", "is not registered. Please add and verify this domain before sending emails."),
    "foreign": ("DOMAIN_NOT_VERIFIED", "belongs to a different project. Please use a domain of this project."),
    "unverified": ("DOMAIN_NOT_VERIFIED", "is not verified. Please verify this domain before sending emails."),
}
PLAIN = MailOptions()


def recipients_of(command: SendEmail | SendEmails) -> Sequence[EmailRecipient]:
    """Whom the order is for, whichever of the two it is."""
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


def content_of(order: Order, template: Content | None, sender: str | None = None) -> Content:
    """What the mail says: the order's own content, or the template with the order's overrides.

    `sender` is the address that a mail comes from which names none. Raises Rejected if the template does not exist in
    the project, or an override is not one of a content's fields.
    """
    content = _said(order, template)
    return replace(content, from_email=sender) if sender and not content.from_email else content


def admit(order: Order, content: Content, domain: DomainStatus, untracked: bool = True) -> None:
    """Raise Rejected, with the code and message of the API, if nobody could be sent this.

    `untracked` says that this installation can send without tracking.
    """
    if domain != "verified":
        _refuse_domain(content, domain)
    if wrong := [_header_error(*refusal) for refusal in header_errors(order.extras.headers)]:
        raise invalid_fields(wrong)
    if not (order.extras.tracking or untracked):
        message = "Tracking cannot be turned off here: GODWIT_CONFIGURATION_SET_UNTRACKED is not set"
        raise invalid("tracking", message, "unsupported")
    _check_attachments(order.extras.attachments)
    _check_templates(content)


def decide(
    command: SendEmail | SendEmails, content: Content, domain: DomainStatus, untracked: bool = True
) -> list[EmailQueued]:
    """The facts that the mails are queued, one for each recipient. Raises Rejected, and then there is none of them."""
    admit(command, content, domain, untracked)
    recipients = recipients_of(command)
    if content.kind == "MARKETING":
        _refuse_unsubscribed(recipients)
    return [_queued(command, content, recipient) for recipient in recipients]


def domain_of(content: Content) -> str:
    """The domain of the from address, in lower case; empty if there is none."""
    return content.from_email.strip().rpartition("@")[2].lower() if "@" in content.from_email else ""


def overridden(content: Content, overrides: dict[str, Any]) -> Content:
    """The content with some fields replaced. Raises msgspec.ValidationError for a field of the wrong type."""
    return msgspec.convert(msgspec.to_builtins(content) | overrides, Content) if overrides else content


def _said(order: Order, template: Content | None) -> Content:
    if order.content:
        return order.content
    if template is None:
        template_id = str(order.template_id)
        details = {"resource": "Template", "id": template_id}
        raise Rejected("TEMPLATE_NOT_FOUND", f'Template with ID "{template_id}" was not found', details=details)
    try:
        return overridden(template, order.overrides)
    except msgspec.ValidationError as wrong:
        raise invalid("overrides", str(wrong), "invalid_type") from wrong


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
        extras=None if extras == PLAIN else extras,
    )


def _refuse_unsubscribed(recipients: Sequence[EmailRecipient]) -> None:
    for recipient in recipients:
        if not recipient.subscribed:
            raise Rejected(
                "CONTACT_UNSUBSCRIBED",
                f"Cannot send marketing template to unsubscribed contact {recipient.address}. "
                "Use a transactional template, or subscribe the contact first.",
            )


def _refuse_domain(content: Content, status: DomainStatus) -> None:
    name = domain_of(content)
    if not name:
        raise invalid("from", "Could not parse sender email", "required")
    code, message = REFUSALS[status]
    raise Rejected(code, f'Domain "{name}" {message}', details={"domain": name})


def _check_attachments(attachments: Sequence[Attachment]) -> None:
    if len(attachments) > MAX_ATTACHMENTS:
        raise invalid("attachments", f"At most {MAX_ATTACHMENTS} files can be attached", "too_big")
    if sum(each.size for each in attachments) > MAX_ATTACHED_BYTES:
        megabytes = MAX_ATTACHED_BYTES // 1024**2
        raise invalid("attachments", f"Total attachment size must not exceed {megabytes}MB", "too_big")


def _check_templates(content: Content) -> None:
    if len(msgspec.json.encode(content)) > MAX_BYTES:
        raise invalid("body", f"Content is limited to {MAX_BYTES} bytes", "too_big")
    for field, source in (("subject", content.subject), ("body", content.body)):
        try:
            check(source)
        except BadTemplate as bad:
            raise invalid(field, f"Line {bad.line}, column {bad.column}: {bad.message}", "invalid_template") from bad


def _header_error(name: str, message: str, code: str) -> FieldError:
    return FieldError(field=f"headers.{name}".rstrip("."), message=message, code=code)
