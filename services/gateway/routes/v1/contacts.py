"""The contacts of the older API, under `/v1/contacts`."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Data, Instant, View
from libs.schemas.contacts.contacts import (
    ContactCount,
    ContactPage,
    ContactsCommand,
    ContactView,
    CountContacts,
    DeleteContact,
    FindContact,
    GetContact,
    ListContacts,
    SaveContact,
    SubscribeContact,
    UnsubscribeContact,
    UpdateContact,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import Email, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.http.streaming import StreamedResponse

TAGS = ["Older API"]
MAX_PAGE = 100


class ListedContact(View, frozen=True, kw_only=True):
    """`data` is a JSON document in a string."""

    id: UUID
    email: str
    subscribed: bool
    data: str
    created_at: Instant
    updated_at: Instant


class ChangedContact(ContactView, frozen=True, kw_only=True):
    success: bool


class Subscription(View, frozen=True, kw_only=True):
    success: bool
    contact: UUID
    subscribed: bool


class NewContact(Body, frozen=True, kw_only=True):
    email: Email
    subscribed: bool
    data: Data | None = None


class Named(Body, frozen=True, kw_only=True):
    """Either the contact's id or its address."""

    id: str | None = None
    email: Email | None = None


class NamedChanges(Named, frozen=True, kw_only=True):
    subscribed: bool | None = None
    data: Data | None = None


class NamedById(Body, frozen=True, kw_only=True):
    id: str


_decode_page = msgspec.json.Decoder(ContactPage).decode
_decode_contact = msgspec.json.Decoder(ContactView).decode


@get("/v1/contacts/count", responses=query_responses(ContactCount), tags=TAGS)
async def count_contacts_v1(request: ApiRequest) -> RawResponse:
    """Count contacts"""
    return RawResponse(await request.query(CountContacts()))


@get("/v1/contacts", responses=query_responses(list[ListedContact]), tags=TAGS)
async def list_contacts_v1(request: ApiRequest) -> StreamedResponse:
    """List all contacts

    Newest first. The array is streamed.
    """
    return StreamedResponse(_array(request), b"application/json")


@get("/v1/contacts/{contact_id:str}", responses=query_responses(ListedContact), tags=TAGS)
async def get_contact_v1(contact_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a contact"""
    found = await request.query(GetContact(contact_id=parse_id(contact_id, "Contact")))
    return RawResponse(encode(_listed(_decode_contact(found))))


@post("/v1/contacts", status_code=200, responses=command_responses(ChangedContact, 200), tags=TAGS)
async def create_contact_v1(data: JSONBody[NewContact], request: ApiRequest) -> RawResponse:
    """Create a contact

    Rejected with 409 if a contact has this address.
    """
    command = SaveContact(
        contact_id=uuid7(), email=data.email, data=data.data or {}, subscribed=data.subscribed, only_new=True
    )
    return _changed(_decode_contact(await request.execute(command)))


@put("/v1/contacts", responses=command_responses(ChangedContact, 200), tags=TAGS)
async def update_contact_v1(data: JSONBody[NamedChanges], request: ApiRequest) -> RawResponse:
    """Update a contact

    The contact is given by its id or its address. Data is merged: `null` deletes a key, `""` is ignored.
    """
    command = UpdateContact(
        contact_id=await _id_of(data, request),
        data=msgspec.UNSET if data.data is None else data.data,
        subscribed=data.subscribed,
    )
    return _changed(_decode_contact(await request.execute(command)))


@delete("/v1/contacts", status_code=200, responses=command_responses(ChangedContact, 200), tags=TAGS)
async def delete_contact_v1(data: JSONBody[NamedById], request: ApiRequest) -> RawResponse:
    """Delete a contact

    Returns the contact as it was before.
    """
    contact_id = parse_id(data.id, "Contact")
    before = _decode_contact(await request.query(GetContact(contact_id=contact_id)))
    await request.execute(DeleteContact(contact_id=contact_id))
    return _changed(before)


@post("/v1/contacts/subscribe", status_code=200, responses=command_responses(Subscription, 200), tags=TAGS)
async def subscribe_contact_v1(data: JSONBody[Named], request: ApiRequest) -> RawResponse:
    """Subscribe a contact

    The contact is given by its id or its address.
    """
    return await _subscription(data, request, lambda contact_id: SubscribeContact(contact_id=contact_id))


@post("/v1/contacts/unsubscribe", status_code=200, responses=command_responses(Subscription, 200), tags=TAGS)
async def unsubscribe_contact_v1(data: JSONBody[Named], request: ApiRequest) -> RawResponse:
    """Unsubscribe a contact

    The contact is given by its id or its address.
    """
    return await _subscription(data, request, lambda contact: UnsubscribeContact(contact_id=contact, reason="api"))


async def _subscription(named: Named, request: ApiRequest, command: Callable[[UUID], ContactsCommand]) -> RawResponse:
    contact = _decode_contact(await request.execute(command(await _id_of(named, request))))
    return RawResponse(encode(Subscription(success=True, contact=contact.id, subscribed=contact.subscribed)))


async def _id_of(named: Named, request: ApiRequest) -> UUID:
    """Return the id. Raises ApiError unless exactly one of id and address is given, Rejected for an unknown contact."""
    if named.id is not None and named.email is None:
        return parse_id(named.id, "Contact")
    if named.email is not None and named.id is None:
        return _decode_contact(await request.query(FindContact(email=named.email))).id
    raise invalid_field("id", "Give either id or email, not both", "custom")


async def _array(request: ApiRequest) -> AsyncIterator[bytes]:
    cursor, before = None, b"["
    while True:
        page = _decode_page(await request.query(ListContacts(limit=MAX_PAGE, cursor=cursor)))
        yield before + b",".join(encode(_listed(contact)) for contact in page.data)
        if not page.has_more:
            break
        cursor, before = page.cursor, b","
    yield b"]"


def _listed(contact: ContactView) -> ListedContact:
    return ListedContact(
        id=contact.id,
        email=contact.email,
        subscribed=contact.subscribed,
        data=encode(contact.data).decode(),
        created_at=contact.created_at,
        updated_at=contact.updated_at,
    )


def _changed(contact: ContactView) -> RawResponse:
    return RawResponse(b'{"success":true,' + encode(contact)[1:])
