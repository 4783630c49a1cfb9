"""Exporting contacts to a file."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from libs.runtime.messaging.bus import RateLimited
from libs.schemas.contacts.contacts import ContactView
from libs.schemas.contacts.jobs import (
    DataKeys,
    ExportContacts,
    ExportPage,
    ListDataKeys,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.csv_writer import csv_rows
from services.gateway.http.downloads import CSV, JSON_LINES, download_headers
from services.gateway.http.errors import invalid_field
from services.gateway.http.response_docs import error_responses
from services.gateway.http.streaming import StreamedResponse
from services.gateway.http.work_slots import slots_of

TAGS = ["Imports"]
COLUMNS = ("email", "subscribed", "createdAt", "updatedAt", "id")
MAX_COLUMNS = 1000
MAX_PAUSES = 10

_keys = msgspec.json.Decoder(DataKeys).decode
_page = msgspec.json.Decoder(ExportPage).decode
_encode = msgspec.json.Encoder()


class RawPage(msgspec.Struct, frozen=True):
    """A page whose contacts are passed on as they are."""

    data: list[msgspec.Raw]
    after: UUID | None


_raw_page = msgspec.json.Decoder(RawPage).decode

FILE = {200: ResponseSpec(None, generate_examples=False, description="The file", media_type="text/csv")}


@get("/contacts/export", responses=FILE | error_responses(), tags=TAGS)
async def export_contacts(
    request: ApiRequest,
    format_: Annotated[Literal["csv", "jsonl"], QueryParameter(name="format")] = "csv",
    segment_id: Annotated[UUID | None, QueryParameter(name="segmentId", description="Only its members")] = None,
) -> StreamedResponse:
    """Export contacts

    All contacts or the members of a segment, in the order of their creation: as CSV with a column for each key of their
    data, or as JSON with one contact per line. In CSV a text that a spreadsheet would take for a formula is preceded by
    `'`. If the connection is cut before the end of the response, the file is incomplete.
    """
    is_csv = format_ == "csv"
    lines = _csv(request, segment_id) if is_csv else _json_lines(request, segment_id)
    headers = download_headers(f"contacts.{format_}")
    return StreamedResponse(_in_slot(request, lines), CSV if is_csv else JSON_LINES, headers)


async def _in_slot(request: ApiRequest, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines while the project holds a slot for its export."""
    async with slots_of(request.app).exports.hold(request.project):
        async for each in lines:
            yield each


async def _page_after(request: ApiRequest, segment_id: UUID | None, after: UUID) -> bytes:
    """Return a page. An export that has begun waits for its turn while the project has too many queries."""
    for _ in range(MAX_PAUSES):
        try:
            return await request.query(ExportContacts(segment_id=segment_id, after=after))
        except RateLimited as busy:
            await asyncio.sleep(busy.retry_after)
    return await request.query(ExportContacts(segment_id=segment_id, after=after))


async def _csv(request: ApiRequest, segment_id: UUID | None) -> AsyncIterator[bytes]:
    page = await request.query(ExportContacts(segment_id=segment_id))
    keys = await _all_keys(request)
    yield csv_rows([[*COLUMNS, *keys]])
    while True:
        contacts = _page(page)
        yield csv_rows(_row(contact, keys) for contact in contacts.data)
        if contacts.after is None:
            return
        page = await _page_after(request, segment_id, contacts.after)


def _row(contact: ContactView, keys: Sequence[str]) -> list[object]:
    """Return the cells of a contact. The cell of a key that it does not have is empty."""
    own = [contact.email, contact.subscribed, contact.created_at, contact.updated_at, str(contact.id)]
    return [*own, *map(contact.data.get, keys)]


async def _json_lines(request: ApiRequest, segment_id: UUID | None) -> AsyncIterator[bytes]:
    page = await request.query(ExportContacts(segment_id=segment_id))
    while True:
        contacts = _raw_page(page)
        yield _encode.encode_lines(contacts.data)
        if contacts.after is None:
            return
        page = await _page_after(request, segment_id, contacts.after)


async def _all_keys(request: ApiRequest) -> list[str]:
    """Return the keys of all contacts' data in order. Raises ApiError if there are too many for a table."""
    keys: set[str] = set()
    after: UUID | None = UUID(int=0)
    while after is not None:
        found = _keys(await request.query(ListDataKeys(after=after)))
        keys.update(found.keys)
        after = found.after
        if len(keys) > MAX_COLUMNS:
            message = f"CSV can have at most {MAX_COLUMNS} keys of the contacts' data as columns: use jsonl"
            raise invalid_field("format", message, "too_big")
    return sorted(keys)
