"""The body of `/v1/send`: checks what can be checked without other services, and turns it into commands. Pure."""

import re
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from libs.kernel.addresses import normalize_address
from libs.kernel.mail_headers import header_errors
from libs.schemas.base import Data, FieldError, View
from libs.schemas.delivery.content import Content, MailOptions
from libs.schemas.delivery.emails import CheckOrder
from services.gateway.http.errors import invalid, invalid_field
from services.gateway.http.fields import Line, SenderName, Text
from services.gateway.http.json_body import Body
from services.gateway.mails.attachments import Attachments, attachment_errors

MAX_RECIPIENTS = 100
MAX_TEXT = 750 * 1024
"""The most bytes of subject and body together: their command must fit into one bus message (1 MiB)."""

LIQUID = re.compile(r"\{[{%]")


class Person(View, frozen=True, kw_only=True):
    email: str
    name: SenderName | None = None


class SendBody(Body, frozen=True, kw_only=True):
    """Either `template`, or `subject` and `body`. What is given besides a template overrides it."""

    # The addresses have no pattern: msgspec 0.22 corrupts memory for a union of a patterned string and a list.
    to: str | Person | Annotated[list[str | Person], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    subject: Line | None = None
    body: Text | None = None
    template: UUID | None = None
    subscribed: bool | None = None
    from_: str | Person | None = msgspec.field(default=None, name="from")
    name: SenderName | None = None
    reply: str | None = None
    data: Data | None = None
    headers: Data | None = None
    tracking: bool | None = None
    one_time_code: bool = False
    attachments: Attachments | None = None

    @property
    def sender(self) -> str | None:
        return self.from_.email if isinstance(self.from_, Person) else self.from_

    @property
    def sender_name(self) -> str | None:
        return self.from_.name if isinstance(self.from_, Person) and self.from_.name else self.name


def validate(data: SendBody) -> None:
    """Raise ApiError with everything that is wrong with the body itself."""
    if data.template is None and not (data.subject and data.body):
        raise invalid_field("template", "Either template ID or both subject and body are required", "required")
    errors = [
        _address_error(field)
        for field, address in _addresses(data)
        if address is not None and not normalize_address(address)
    ]
    errors += [_header_error(*error) for error in header_errors(data.headers or {})]
    errors += attachment_errors(data.attachments or [])
    if len((data.subject or "").encode()) + len((data.body or "").encode()) > MAX_TEXT:
        message = f"Subject and body must not exceed {MAX_TEXT} bytes together"
        errors.append(FieldError(field="body", message=message, code="too_big"))
    if errors:
        raise invalid(errors)


def recipients_of(data: SendBody) -> list[Person]:
    """Return the recipients in the given order, each address once."""
    given = data.to if isinstance(data.to, list) else [data.to]
    unique: dict[str, Person] = {}
    for each in given:
        person = Person(email=each) if isinstance(each, str) else each
        unique.setdefault(normalize_address(person.email) or person.email, person)
    return list(unique.values())


def draft_of(data: SendBody) -> CheckOrder:
    """Return the mail without its recipients, as delivery validates it."""
    return CheckOrder(
        content=None if data.template else _content(data),
        template_id=data.template,
        overrides=_overrides(data) if data.template else {},
        extras=MailOptions(
            headers=data.headers or {},
            tracking=data.tracking is not False,
            one_time_code=data.one_time_code,
        ),
    )


def without_plain_text(draft: CheckOrder) -> CheckOrder:
    """Return the draft without subject and body if they are no templates: nothing can be wrong with plain text."""
    content = draft.content
    if content is None or LIQUID.search(content.subject) or LIQUID.search(content.body):
        return draft
    return msgspec.structs.replace(draft, content=msgspec.structs.replace(content, subject="", body=""))


def _addresses(data: SendBody) -> list[tuple[str, str | None]]:
    """Return every address in the body with the path of its field."""
    given = data.to if isinstance(data.to, list) else [data.to]
    paths = [f"to.{n}" for n in range(len(given))] if isinstance(data.to, list) else ["to"]
    to = [
        (path, each) if isinstance(each, str) else (f"{path}.email", each.email)
        for path, each in zip(paths, given, strict=True)
    ]
    sender = "from.email" if isinstance(data.from_, Person) else "from"
    return [*to, (sender, data.sender), ("reply", data.reply)]


def _content(data: SendBody) -> Content:
    return Content(
        subject=data.subject or "",
        body=data.body or "",
        from_email=(data.sender or "").strip(),
        from_name=data.sender_name,
        reply_to=data.reply,
        kind="TRANSACTIONAL",
    )


def _overrides(data: SendBody) -> Data:
    given = {
        "subject": data.subject,
        "body": data.body,
        "fromEmail": data.sender,
        "fromName": data.sender_name,
        "replyTo": data.reply,
    }
    return {name: value for name, value in given.items() if value is not None}


def _address_error(field: str) -> FieldError:
    return FieldError(field=field, message="Invalid email", code="invalid_string")


def _header_error(name: str, message: str, code: str) -> FieldError:
    return FieldError(field=f"headers.{name}".rstrip("."), message=message, code=code)
