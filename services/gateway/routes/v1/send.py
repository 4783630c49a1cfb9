"""Transactional mail."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

import msgspec
from cachetools import TTLCache
from litestar import post
from litestar.params import JSONBody

from libs.kernel.passing_values import unwrapped
from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.messaging.bus import Unavailable
from libs.schemas.base import Instant, View
from libs.schemas.contacts.contacts import ContactView, FindContact, SaveContact, UnchangedContact
from libs.schemas.delivery.content import Kind, MailOptions
from libs.schemas.delivery.emails import CheckOrder, EmailRecipient, QueuedEmails, SendEmails, ValidatedEmail
from services.gateway.bus.bus import CommandPending
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.raw_response import RawResponse, data_response
from services.gateway.http.response_docs import command_responses
from services.gateway.mails.attachment_upload import store_attachments
from services.gateway.mails.header_recipients import header_recipients_of
from services.gateway.mails.send_request import (
    Person,
    SendBody,
    draft_of,
    recipients_of,
    validate,
    without_plain_text,
)

MAX_BYTES = 15 * 1024 * 1024
"""Ten megabytes of attachments in Base64, and the mail itself."""

VALIDATED: TTLCache[tuple[UUID, bytes], Kind] = TTLCache(10_000, 5.0)
"""Drafts that delivery validated a moment ago, by project and digest. Delivery checks again when it queues the
mails."""


class Addressee(View, frozen=True, kw_only=True):
    id: UUID
    email: str


class SentTo(View, frozen=True, kw_only=True):
    """A queued mail: its recipient and its id."""

    contact: Addressee
    email: UUID


class Sent(View, frozen=True, kw_only=True):
    """The mails are in the order of the recipients."""

    emails: list[SentTo]
    timestamp: Instant


class SentBoth(Sent, frozen=True, kw_only=True):
    """The members appear twice: under `data`, and beside it for older clients."""

    success: bool
    data: Sent


@post(
    "/v1/send",
    status_code=200,
    responses=command_responses(SentBoth, 200),
    tags=["Public API"],
    request_max_body_size=MAX_BYTES,
)
async def send(data: JSONBody[SendBody], request: ApiRequest) -> RawResponse:
    """Send a transactional email

    To one recipient or up to 100, each in a mail of its own. Either all of them are queued or none. New contacts are
    created as unsubscribed unless `subscribed` is true. `data` is merged into the contact's data and fills the mail's
    variables; `{"value": .., "persistent": false}` only fills the mail. A MARKETING template is rejected for contacts
    who are not subscribed.

    Up to 10 files with 10 MB in total can be attached, each in Base64. An `inline` file is shown where the HTML refers
    to `cid:` and its `contentId`.

    `headers` may be `X-...`, `References`, `In-Reply-To` and a few more, but none that determines the sender or the
    recipients. `tracking: false` turns off the tracking of opens and clicks. `oneTimeCode: true` marks a code that
    somebody is waiting for: if Amazon SES does not answer, it is sent again after 30 seconds instead of 10 minutes.

    The response is sent once the mails are durably queued.
    """
    validate(data)
    draft, recipients = draft_of(data), recipients_of(data)
    if await _kind(request, draft) == "MARKETING":
        await _require_subscribed(request, data, recipients)
    header = header_recipients_of(request.scope)
    files = await store_attachments(request, data.attachments) if data.attachments else []
    extras = msgspec.structs.replace(draft.extras, attachments=files, shown_to=header.to, shown_cc=header.cc)
    contacts = await asyncio.gather(*(_contact(request, data, person, n) for n, person in enumerate(recipients)))
    queued = await _queue(request, data, draft, _email_recipients(recipients, contacts), extras)
    emails = [_sent_to(contact, email) for contact, email in zip(contacts, queued.emails, strict=True)]
    return data_response(encode(Sent(emails=emails, timestamp=queued.timestamp)))


async def _kind(request: ApiRequest, draft: CheckOrder) -> Kind:
    """Return the kind of the mail. Raises Rejected, before anything is written, if it could not be sent to anybody."""
    digest = blake2b(encode(without_plain_text(draft)), digest_size=16).digest()
    kind = VALIDATED.get((request.project, digest))
    if kind is None:
        kind = (await request.query_as(draft, ValidatedEmail)).kind
        VALIDATED[request.project, digest] = kind
    return kind


async def _require_subscribed(request: ApiRequest, data: SendBody, recipients: Sequence[Person]) -> None:
    """Raise ApiError if one of the recipients would not be subscribed when the mail is queued."""
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
    except Rejected:  # a new contact starts unsubscribed
        return False
    return msgspec.json.decode(found, type=ContactView).subscribed


async def _contact(request: ApiRequest, data: SendBody, person: Person, n: int) -> UnchangedContact:
    """Return the contact with everything that the request says about it saved."""
    name = {"name": person.name} if person.name else {}
    command = SaveContact(
        contact_id=uuid7(),
        email=person.email,
        data=(data.data or {}) | name,
        subscribed=data.subscribed,
        default_subscribed=False,
    )
    return await _unchanged(request, command) or await _save(request, command, n)


async def _unchanged(request: ApiRequest, command: SaveContact) -> UnchangedContact | None:
    """Return the contact if there is nothing to save.

    A repeat of a request with an Idempotency-Key must find the same, whatever has changed since. So all commands of
    such a request are sent, because their results are remembered.
    """
    if request.context.has_idempotency_key:
        return None
    return await request.context.bus.unchanged_contacts.find(request.project, command)


async def _save(request: ApiRequest, command: SaveContact, n: int) -> UnchangedContact:
    try:
        result = await request.execute(command, f"contact {n}")
    except CommandPending as pending:
        raise Unavailable("the contact was not saved in time, so the mail cannot be queued") from pending
    return msgspec.json.decode(result, type=UnchangedContact)


async def _queue(
    request: ApiRequest, data: SendBody, draft: CheckOrder, recipients: list[EmailRecipient], extras: MailOptions
) -> QueuedEmails:
    command = SendEmails(
        recipients=recipients,
        content=draft.content,
        template_id=draft.template_id,
        overrides=draft.overrides,
        data=unwrapped(data.data or {}),
        extras=extras,
    )
    return msgspec.json.decode(await request.execute(command, "emails"), type=QueuedEmails)


def _email_recipients(people: Sequence[Person], contacts: Sequence[UnchangedContact]) -> list[EmailRecipient]:
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
