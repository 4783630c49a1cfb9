"""Contacts."""

from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from libs.kernel.field_errors import NO_NUL
from libs.runtime.clock import uuid7
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import (
    ContactLookup,
    ContactPage,
    ContactView,
    DeleteContact,
    GetContact,
    GetContactAt,
    GetContactHistory,
    HistoryPage,
    ListContacts,
    LookupContacts,
    SaveContact,
    SavedContact,
    SavedMeta,
    UpdateContact,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import Email, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import Cursor, Limit
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Contacts"]

At = Annotated[
    str | None, QueryParameter(max_length=40, description="A time in ISO 8601, such as `2026-05-06T07:08:09Z`")
]


class ContactBody(Body, frozen=True, kw_only=True):
    email: Email
    data: Data | None = None
    subscribed: bool | None = None


class ContactChanges(Body, frozen=True, kw_only=True):
    email: Email | None = None
    data: Data | msgspec.UnsetType | None = msgspec.UNSET
    subscribed: bool | None = None


class LookupBody(Body, frozen=True, kw_only=True):
    emails: list[str]


class _Saved(msgspec.Struct, rename="camel"):
    meta: SavedMeta = msgspec.field(name="_meta")


_decode_saved = msgspec.json.Decoder(_Saved).decode


@get("/contacts", responses=query_responses(ContactPage), tags=TAGS)
async def list_contacts(
    request: ApiRequest,
    limit: Limit = 20,
    cursor: Cursor = None,
    search: Annotated[
        str | None, QueryParameter(max_length=255, pattern=NO_NUL, description="Part of the address")
    ] = None,
) -> RawResponse:
    """List contacts

    Newest first. `total` is given on the first page only. With `search` it is an estimate from a sample, and 1,000
    stands for 1,000 or more. A page can be shorter than `limit`, even empty, while `hasMore` is true: a page is limited
    in bytes, and a search looks through 10,000 contacts at a time, or 5,000 for one or two characters.
    """
    return RawResponse(await request.query(ListContacts(limit=limit, cursor=cursor, search=search)))


@post("/contacts", responses=command_responses(SavedContact, 200, 201), tags=TAGS)
async def save_contact(data: JSONBody[ContactBody], request: ApiRequest) -> RawResponse:
    """Create or update a contact

    Creates a contact with this address (201) or updates the existing one (200). Data is merged: `null` deletes a key,
    `""` is ignored. A new contact is subscribed unless `subscribed` is false.
    """
    command = SaveContact(contact_id=uuid7(), email=data.email, data=data.data or {}, subscribed=data.subscribed)
    result = await request.execute(command)
    return RawResponse(result, 201 if _decode_saved(result).meta.is_new else 200)


@get("/contacts/{contact_id:str}", responses=query_responses(ContactView), tags=TAGS)
async def get_contact(contact_id: FromPath[str], request: ApiRequest, at: At = None) -> RawResponse:
    """Get a contact

    As it is now, or with `at` as it was at that time.
    """
    contact = parse_id(contact_id, "Contact")
    query = GetContact(contact_id=contact) if at is None else GetContactAt(contact_id=contact, at=at)
    return RawResponse(await request.query(query))


@get("/contacts/{contact_id:str}/history", responses=query_responses(HistoryPage), tags=TAGS)
async def get_contact_history(
    contact_id: FromPath[str], request: ApiRequest, limit: Limit = 20, cursor: Cursor = None
) -> RawResponse:
    """List the history of a contact

    All events that changed the contact, newest first. The events of a deleted contact remain, without personal data.
    """
    query = GetContactHistory(contact_id=parse_id(contact_id, "Contact"), limit=limit, cursor=cursor)
    return RawResponse(await request.query(query))


@patch("/contacts/{contact_id:str}", responses=command_responses(ContactView, 200), tags=TAGS)
async def update_contact(contact_id: FromPath[str], data: JSONBody[ContactChanges], request: ApiRequest) -> RawResponse:
    """Update a contact

    Changes the given fields. Data is merged key by key; `data: null` clears all of it.
    """
    command = UpdateContact(
        contact_id=parse_id(contact_id, "Contact"), email=data.email, data=data.data, subscribed=data.subscribed
    )
    return RawResponse(await request.execute(command))


@delete("/contacts/{contact_id:str}", status_code=204, responses=command_responses(None, 204), tags=TAGS)
async def delete_contact(contact_id: FromPath[str], request: ApiRequest) -> None:
    """Delete a contact

    Cannot be undone: the contact's personal data is erased everywhere, its queued mails are not sent, and its address
    can be used again. Statistics stay as they are.
    """
    await request.execute(DeleteContact(contact_id=parse_id(contact_id, "Contact")))


@post("/contacts/lookup", status_code=200, responses=query_responses(ContactLookup), tags=TAGS)
async def lookup_contacts(data: JSONBody[LookupBody], request: ApiRequest) -> RawResponse:
    """Look up addresses

    Returns which of up to 500 addresses are contacts, spelled as they were given.
    """
    return RawResponse(await request.query(LookupContacts(emails=data.emails)))
