"""Contacts, all of them."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from libs.schemas.contacts.jobs import (
    DataKeys,
    ExportContacts,
    ExportPage,
    ListDataKeys,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.csv_export import header, rows
from services.gateway.http.errors import ErrorEnvelope, invalid_field
from services.gateway.http.raw_response import ERROR_RESPONSES, RawResponse
from services.gateway.http.streaming import Streamed

TAGS = ["Imports"]
CSV, JSON_LINES = b"text/csv; charset=utf-8", b"application/x-ndjson"
MAX_COLUMNS = 1000

_keys = msgspec.json.Decoder(DataKeys).decode
_page = msgspec.json.Decoder(ExportPage).decode
_encode = msgspec.json.Encoder()


class RawPage(msgspec.Struct, frozen=True):
    """A page whose contacts go out as they came."""

    data: list[msgspec.Raw]
    after: UUID | None


_raw_page = msgspec.json.Decoder(RawPage).decode

ANSWERS = {200: ResponseSpec(None, generate_examples=False, description="The file", media_type="text/csv")} | {
    status: ResponseSpec(ErrorEnvelope, generate_examples=False, description=text)
    for status, text in ERROR_RESPONSES.items()
}


@get("/contacts/export", responses=ANSWERS, tags=TAGS)
async def export_contacts(
    request: ApiRequest,
    format_: Annotated[Literal["csv", "jsonl"], QueryParameter(name="format")] = "csv",
    segment_id: Annotated[UUID | None, QueryParameter(name="segmentId", description="Only its members")] = None,
) -> RawResponse:
    """Export contacts

    All contacts, or the members of a segment, in order of their creation: as CSV with a column for each key of their
    data, or as JSON, one line each. A text that a spreadsheet would calculate has a `'` before it in CSV. If the answer
    does not end properly, it is not complete.
    """
    first = await request.query(ExportContacts(segment_id=segment_id))
    name = f'attachment; filename="contacts.{format_}"'.encode()
    headers = [(b"content-disposition", name), (b"cache-control", b"no-store")]
    if format_ == "jsonl":
        return Streamed(_lines(request, segment_id, first), JSON_LINES, headers)
    keys = await _all_keys(request)
    return Streamed(_csv(request, segment_id, first, keys), CSV, headers)


async def _csv(request: ApiRequest, segment_id: UUID | None, page: bytes, keys: list[str]) -> AsyncIterator[bytes]:
    yield header(keys)
    while True:
        contacts = _page(page)
        yield rows(contacts.data, keys)
        if contacts.after is None:
            return
        page = await request.query(ExportContacts(segment_id=segment_id, after=contacts.after))


async def _lines(request: ApiRequest, segment_id: UUID | None, page: bytes) -> AsyncIterator[bytes]:
    while True:
        contacts = _raw_page(page)
        yield _encode.encode_lines(contacts.data)
        if contacts.after is None:
            return
        page = await request.query(ExportContacts(segment_id=segment_id, after=contacts.after))


async def _all_keys(request: ApiRequest) -> list[str]:
    """The keys of everyone's data, in their order. Raises Problem if they are more than a table can have."""
    keys: set[str] = set()
    after: UUID | None = UUID(int=0)
    while after is not None:
        found = _keys(await request.query(ListDataKeys(after=after)))
        keys.update(found.keys)
        after = found.after
        if len(keys) > MAX_COLUMNS:
            raise invalid_field("format", f"Data has more than {MAX_COLUMNS} keys: export as jsonl", "too_big")
    return sorted(keys)


ROUTES = [export_contacts]
