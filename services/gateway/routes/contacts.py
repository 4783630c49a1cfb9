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
from services.gateway.http.fields import (
    Cursor,
    Email,
    Limit,
    parse_id,
)
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, command_responses, query_responses

TAGS = ["Contacts"]

At = Annotated[str | None, QueryParameter(max_length=40, description="An instant in ISO 8601, `2026-05-06T07:08:09Z`")]


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

    Newest first. `total` is told on the first page only; with `search` it is 1,000 at most, which stands for so many or
    more, by a sample of all contacts. A page can be shorter than `limit`, even empty, although `hasMore` says that
    there may be more: contacts with much data would not fit into one answer, and what many have is sought among
    10,000 contacts at a time, and one or two characters among 5,000.
    """
    return RawResponse(await request.query(ListContacts(limit=limit, cursor=cursor, search=search)))


@post("/contacts", responses=command_responses(SavedContact, 200, 201), tags=TAGS)
async def save_contact(data: JSONBody[ContactBody], request: ApiRequest) -> RawResponse:
    """Create or update a contact

    Creates the contact with this address (201), or merges into the one that has it (200): `null` deletes a key of its
    data, `""` is ignored. A new contact is subscribed unless `subscribed` says otherwise.
    """
    command = SaveContact(contact_id=uuid7(), email=data.email, data=data.data or {}, subscribed=data.subscribed)
    result = await request.execute(command)
    return RawResponse(result, 201 if _decode_saved(result).meta.is_new else 200)


@get("/contacts/{contact_id:str}", responses=query_responses(ContactView), tags=TAGS)
async def get_contact(contact_id: FromPath[str], request: ApiRequest, at: At = None) -> RawResponse:
    """Get a contact

    As it is, or, with `at`, as it was then.
    """
    contact = parse_id(contact_id, "Contact")
    query = GetContact(contact_id=contact) if at is None else GetContactAt(contact_id=contact, at=at)
    return RawResponse(await request.query(query))


@get("/contacts/{contact_id:str}/history", responses=query_responses(HistoryPage), tags=TAGS)
async def get_contact_history(
    contact_id: FromPath[str], request: ApiRequest, limit: Limit = 20, cursor: Cursor = None
) -> RawResponse:
    """List what happened to a contact

    Every event that made it what it is, newest first. Of a deleted contact the events stay; what was personal in them
    is gone.
    """
    query = GetContactHistory(contact_id=parse_id(contact_id, "Contact"), limit=limit, cursor=cursor)
    return RawResponse(await request.query(query))


@patch("/contacts/{contact_id:str}", responses=command_responses(ContactView, 200), tags=TAGS)
async def update_contact(contact_id: FromPath[str], data: JSONBody[ContactChanges], request: ApiRequest) -> RawResponse:
    """Update a contact

    Changes the fields that are given. Data is merged key by key; `data: null` clears all of it.
    """
    command = UpdateContact(
        contact_id=parse_id(contact_id, "Contact"), email=data.email, data=data.data, subscribed=data.subscribed
    )
    return RawResponse(await request.execute(command))


@delete("/contacts/{contact_id:str}", status_code=204, responses=command_responses(None, 204), tags=TAGS)
async def delete_contact(contact_id: FromPath[str], request: ApiRequest) -> None:
    """Delete a contact

    For good: what is personal about the contact is erased everywhere, mails that wait for it are not sent, and its
    address is free. Counts of what has happened stay as they are.
    """
    await request.execute(DeleteContact(contact_id=parse_id(contact_id, "Contact")))


@post("/contacts/lookup", status_code=200, responses=query_responses(ContactLookup), tags=TAGS)
async def lookup_contacts(data: JSONBody[LookupBody], request: ApiRequest) -> RawResponse:
    """Look up addresses

    Which of up to 500 addresses are contacts, each as it was given.
    """
    return RawResponse(await request.query(LookupContacts(emails=data.emails)))


ROUTES = [
    list_contacts,
    save_contact,
    lookup_contacts,
    get_contact,
    get_contact_history,
    update_contact,
    delete_contact,
]
