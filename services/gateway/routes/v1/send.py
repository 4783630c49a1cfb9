"""Transactional mail."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import JSONBody

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.messaging.bus import Unavailable
from libs.schemas.contacts.contacts import (
    ContactView,
    FindContact,
    SaveContact,
    UnchangedContact,
)
from libs.schemas.delivery.content import Kind, MailOptions
from libs.schemas.delivery.emails import (
    CheckOrder,
    EmailRecipient,
    QueuedEmails,
    SendEmails,
    ValidatedEmail,
)
from services.gateway.bus.bus import CommandPending
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.raw_response import RawResponse, command_responses, data_response
from services.gateway.http.recent import Recent
from services.gateway.mails.attachments import store_attachments
from services.gateway.mails.header_recipients import addressed
from services.gateway.mails.send_request import (
    Person,
    SendBody,
    check,
    order,
    people,
    variables,
    without_words,
)
from services.gateway.routes.responses import (
    Addressee,
    Sent,
    SentBoth,
    SentTo,
)

MAX_BYTES = 15 * 1024 * 1024
"""Ten megabytes of attachments in Base64, and the mail itself."""

ADMITTED: Recent[Kind] = Recent(seconds=5.0, most=10_000)
"""Orders like these were in order a moment ago. Delivery looks again when it takes them on."""


@post(
    "/v1/send",
    status_code=200,
    responses=command_responses(SentBoth, 200),
    tags=["Public API"],
    request_max_body_size=MAX_BYTES,
)
async def send(data: JSONBody[SendBody], request: ApiRequest) -> RawResponse:
    """Send a transactional email

    To one recipient or several (at most 100), each in a mail of its own; all of them are taken on, or none. New
    contacts are created unsubscribed unless `subscribed` says otherwise. `data` is merged into the contact and fills
    the mail's variables; `{"value": .., "persistent": false}` only fills the mail. A MARKETING template is refused for
    contacts who are not subscribed.

    Up to 10 files, of together 10 MB, can be attached, each in Base64; an `inline` one is shown where the HTML says
    `cid:` and its `contentId`.

    `headers` may be `X-...`, `References`, `In-Reply-To` and a few more; what says who writes to whom may not.
    `tracking: false` leaves opens and clicks alone. `oneTimeCode: true` marks a code that somebody waits for: should
    Amazon SES leave us without an answer, it is sent again after 30 seconds rather than 10 minutes.

    The answer comes when the mails are queued for good.
    """
    check(data)
    draft, recipients = order(data), people(data)
    if await _kind(request, draft) == "MARKETING":
        await _require_subscribed(request, data, recipients)
    named = addressed(request.scope)
    files = await store_attachments(request, data.attachments) if data.attachments else []
    extras = msgspec.structs.replace(draft.extras, attachments=files, shown_to=named.to, shown_cc=named.cc)
    contacts = await asyncio.gather(*(_saved(request, data, person, n) for n, person in enumerate(recipients)))
    queued = await _queued(request, data, draft, _recipients(recipients, contacts), extras)
    emails = [_sent_to(contact, email) for contact, email in zip(contacts, queued.emails, strict=True)]
    return data_response(encode(Sent(emails=emails, timestamp=queued.timestamp)))


async def _kind(request: ApiRequest, draft: CheckOrder) -> Kind:
    """What kind of mail it is. Raises Rejected, before anything is written, if nobody could be sent it."""
    told = encode(without_words(draft))
    key = request.project, blake2b(told, digest_size=16).digest()
    kind = ADMITTED.get(key)
    if kind is None:
        kind = msgspec.json.decode(await request.query(draft), type=ValidatedEmail).kind
        ADMITTED.keep(key, kind)
    return kind


async def _require_subscribed(request: ApiRequest, data: SendBody, recipients: Sequence[Person]) -> None:
    """Raises Problem if one of them would not be subscribed when the mail is queued."""
    if data.subscribed:
        return
    subscribed = await asyncio.gather(*(_is_subscribed(request, data, person) for person in recipients))
    for person, is_subscribed in zip(recipients, subscribed, strict=True):
        if not is_subscribed:
            message = f"Cannot send marketing template to unsubscribed contact {person.email.strip()}. "
            advice = "Use a transactional template, or subscribe the contact first."
            raise ApiError(400, "CONTACT_UNSUBSCRIBED", message + advice)


async def _is_subscribed(request: ApiRequest, data: SendBody, person: Person) -> bool:
    if data.subscribed is False:
        return False
    try:
        found = await request.query(FindContact(email=person.email))
    except Rejected:  # a contact that is new starts unsubscribed
        return False
    return msgspec.json.decode(found, type=ContactView).subscribed


async def _saved(request: ApiRequest, data: SendBody, person: Person, n: int) -> UnchangedContact:
    """The contact as it is once it has all that the request says of it."""
    named = {"name": person.name} if person.name else {}
    command = SaveContact(
        contact_id=uuid7(),
        email=person.email,
        data=(data.data or {}) | named,
        subscribed=data.subscribed,
        default_subscribed=False,
    )
    return await _known(request, command) or await _save(request, command, n)


async def _known(request: ApiRequest, command: SaveContact) -> UnchangedContact | None:
    """The contact, if there is nothing to save. A repeat of a request with a key must find that so, too, whatever
    changed since: so its commands are all given, and remembered."""
    if request.context.keyed:
        return None
    return await request.context.bus.unchanged_contacts.find(request.project, command)


async def _save(request: ApiRequest, command: SaveContact, n: int) -> UnchangedContact:
    try:
        result = await request.execute(command, f"contact {n}")
    except CommandPending as late:
        raise Unavailable("without its contact no mail can be accepted") from late
    return msgspec.json.decode(result, type=UnchangedContact)


async def _queued(
    request: ApiRequest, data: SendBody, draft: CheckOrder, recipients: list[EmailRecipient], extras: MailOptions
) -> QueuedEmails:
    command = SendEmails(
        recipients=recipients,
        content=draft.content,
        template_id=draft.template_id,
        overrides=draft.overrides,
        data=variables(data.data or {}),
        extras=extras,
    )
    return msgspec.json.decode(await request.execute(command, "emails"), type=QueuedEmails)


def _recipients(people: Sequence[Person], contacts: Sequence[UnchangedContact]) -> list[EmailRecipient]:
    return [
        EmailRecipient(
            email_id=uuid7(),
            contact_id=contact.id,
            address=contact.email,
            subscribed=contact.subscribed,
            name=person.name,
        )
        for person, contact in zip(people, contacts, strict=True)
    ]


def _sent_to(contact: UnchangedContact, email: UUID) -> SentTo:
    return SentTo(contact=Addressee(id=contact.id, email=contact.email), email=email)


ROUTES = [send]
