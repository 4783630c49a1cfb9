"""Transactional mail."""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from libs.runtime.bus import Unavailable
from libs.runtime.clock import uuid7
from libs.runtime.codec import encode
from libs.schemas.base import Data, FieldError, View
from libs.schemas.contacts import ContactView, SaveContact
from libs.schemas.delivery import Content, QueuedEmail, SendEmail
from services.gateway.answers import Answer, returns, wrapped
from services.gateway.bus import Unanswered
from services.gateway.call import Call
from services.gateway.fields import Email, Line, Text
from services.gateway.json_body import Body
from services.gateway.problems import invalid, invalid_field
from services.gateway.routes.content import MAX_BYTES
from services.gateway.routes.shapes import Addressee, Sent, SentBoth, SentTo
from services.gateway.wording import EMAIL, ONE_LINE

ADDRESS = re.compile(EMAIL)
MAX_ADDRESS = 254
SenderName = Annotated[str, Meta(max_length=100, pattern=ONE_LINE)]


class Person(View, frozen=True, kw_only=True):
    email: Email
    name: SenderName | None = None


class SendBody(Body, frozen=True, kw_only=True):
    """Either `template`, or `subject` and `body`; what is given beside a template wins over it."""

    # The addresses have no pattern here: msgspec 0.22 corrupts memory for a union of patterned text with a list.
    to: str | Person | Annotated[list[str | Person], Meta(min_length=1, max_length=100)]
    subject: Line | None = None
    body: Text | None = None
    template: UUID | None = None
    subscribed: bool | None = None
    from_: Email | Person | None = msgspec.field(default=None, name="from")
    name: SenderName | None = None
    reply: Email | None = None
    data: Data | None = None
    headers: Data | None = None
    attachments: list[Data] | None = None


@post(
    "/v1/send", status_code=200, responses=returns(SentBoth, 200), tags=["Public API"], request_max_body_size=MAX_BYTES
)
async def send(data: JSONBody[SendBody], request: Call) -> Answer:
    """Send a transactional email

    To one recipient or several, each in a mail of its own. New contacts are created unsubscribed unless `subscribed`
    says otherwise. `data` is merged into the contact and fills the mail's variables; `{"value": .., "persistent":
    false}` only fills the mail. The answer comes when the mails are queued for good.
    """
    _check(data)
    people = _people(data)
    contacts = await asyncio.gather(*(_saved(request, data, person, n) for n, person in enumerate(people)))
    queued = await _all_queued(request, data, contacts)
    emails = [_sent_to(contact, email) for contact, email in zip(contacts, queued, strict=True)]
    return wrapped(encode(Sent(emails=emails, timestamp=queued[0].timestamp)))


async def _all_queued(request: Call, data: SendBody, contacts: Sequence[ContactView]) -> list[QueuedEmail]:
    """Every mail, or none of them: what can be wrong is wrong for all, or only for those who are unsubscribed. So one
    of these goes first, and the others once it is taken."""
    order = sorted(range(len(contacts)), key=lambda n: contacts[n].subscribed)
    first = await _queued(request, data, contacts[order[0]], order[0])
    rest = await asyncio.gather(*(_queued(request, data, contacts[n], n) for n in order[1:]))
    by_place = dict(zip(order, [first, *rest], strict=True))
    return [by_place[n] for n in range(len(contacts))]


def _check(data: SendBody) -> None:
    if data.template is None and not (data.subject and data.body):
        raise invalid_field("template", "Either template ID or both subject and body are required", "required")
    if data.template is None and data.from_ is None:
        raise invalid_field("from", "Could not parse sender email", "required")
    for name, given in (("headers", data.headers), ("attachments", data.attachments)):
        if given:
            raise invalid_field(name, f"{name.capitalize()} are not supported yet", "unsupported")


def _people(data: SendBody) -> list[Person]:
    """The recipients, each address once. Raises Problem if one of them is no address."""
    given = data.to if isinstance(data.to, list) else [data.to]
    people = [Person(email=each) if isinstance(each, str) else each for each in given]
    if wrong := [_no_address(n, data) for n, person in enumerate(people) if not _is_address(person.email)]:
        raise invalid(wrong)
    unique: dict[str, Person] = {}
    for person in people:
        unique.setdefault(person.email.strip().lower(), person)
    return list(unique.values())


def _is_address(text: str) -> bool:
    return len(text) <= MAX_ADDRESS and ADDRESS.fullmatch(text) is not None


def _no_address(n: int, data: SendBody) -> FieldError:
    return FieldError(
        field=f"to.{n}" if isinstance(data.to, list) else "to", message="Invalid email", code="invalid_string"
    )


async def _saved(request: Call, data: SendBody, person: Person, n: int) -> ContactView:
    named = {"name": person.name} if person.name else {}
    command = SaveContact(
        contact_id=uuid7(),
        email=person.email,
        data=(data.data or {}) | named,
        subscribed=data.subscribed,
        default_subscribed=False,
    )
    try:
        result = await request.ask(command, f"contact {n}")
    except Unanswered as late:
        raise Unavailable("without its contact no mail can be accepted") from late
    return msgspec.json.decode(result, type=ContactView)


async def _queued(request: Call, data: SendBody, contact: ContactView, n: int) -> QueuedEmail:
    command = SendEmail(
        email_id=uuid7(),
        contact_id=contact.id,
        recipient=contact.email,
        subscribed=contact.subscribed,
        content=None if data.template else _content(data),
        template_id=data.template,
        overrides=_overrides(data) if data.template else {},
        data=_variables(data.data or {}),
    )
    return msgspec.json.decode(await request.ask(command, f"email {n}"), type=QueuedEmail)


def _content(data: SendBody) -> Content:
    return Content(
        subject=data.subject or "",
        body=data.body or "",
        from_email=_sender(data) or "",
        from_name=_sender_name(data),
        reply_to=data.reply,
        kind="TRANSACTIONAL",
    )


def _overrides(data: SendBody) -> Data:
    given = {
        "subject": data.subject,
        "body": data.body,
        "fromEmail": _sender(data),
        "fromName": _sender_name(data),
        "replyTo": data.reply,
    }
    return {name: value for name, value in given.items() if value is not None}


def _sender(data: SendBody) -> str | None:
    return data.from_.email if isinstance(data.from_, Person) else data.from_


def _sender_name(data: SendBody) -> str | None:
    return data.from_.name if isinstance(data.from_, Person) and data.from_.name else data.name


def _variables(data: Data) -> Data:
    """The values that the mail is filled with, those that are not to be stored included."""
    return {key: _value(given) for key, given in data.items()}


def _value(given: Any) -> Any:
    return given["value"] if isinstance(given, dict) and given.keys() >= {"value", "persistent"} else given


def _sent_to(contact: ContactView, email: QueuedEmail) -> SentTo:
    return SentTo(contact=Addressee(id=contact.id, email=contact.email), email=email.email)


ROUTES = [send]
