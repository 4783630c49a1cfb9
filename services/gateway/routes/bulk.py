"""Bulk operations: the same change for many contacts."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.kernel.field_errors import NO_NUL
from libs.schemas.contacts.jobs import (
    MAX_EXCLUDED,
    MAX_IDS,
    BulkOperation,
    BulkView,
    CancelJob,
    ContactFilter,
    ContactSearch,
    ContactSelection,
    GetBulk,
    JobAccepted,
    JobStopped,
    Selection,
    StartBulk,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, job_responses, query_responses

TAGS = ["Bulk operations"]
KIND = "Bulk action job"

MAX_BYTES = 1024 * 1024
"""A body may list ten thousand ids, which exceed the usual limit."""


class FilterBody(Body, frozen=True, kw_only=True):
    search: Annotated[str, Meta(max_length=255, pattern=NO_NUL)] | None = None
    subscribed: bool | None = None


class BulkBody(Body, frozen=True, kw_only=True):
    """Contacts by their ids (`mode` can be omitted), or all contacts that match a filter."""

    mode: Literal["ids", "query"] = "ids"
    contact_ids: Annotated[list[UUID], Meta(min_length=1, max_length=MAX_IDS)] | None = None
    filter: FilterBody | None = None
    exclude_ids: Annotated[list[UUID], Meta(max_length=MAX_EXCLUDED)] | None = None

    def selection(self) -> Selection:
        if self.mode == "query":
            criteria = self.filter or FilterBody()
            return ContactSearch(
                filter=ContactFilter(search=criteria.search, subscribed=criteria.subscribed),
                exclude_ids=self.exclude_ids or [],
            )
        if self.contact_ids is None:
            raise invalid_field("contactIds", "Required", "required")
        return ContactSelection(contact_ids=self.contact_ids)


@post(
    "/contacts/bulk-subscribe",
    status_code=202,
    responses=job_responses(JobAccepted),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def bulk_subscribe(data: JSONBody[BulkBody], request: ApiRequest) -> RawResponse:
    """Subscribe many contacts

    `{"contactIds": [...]}` with 1 to 1,000 ids, optionally with `"mode": "ids"`. For all contacts that match a filter:
    `{"mode": "query", "filter": {"search", "subscribed"}, "excludeIds": [...]}`.
    """
    return await _start(request, "subscribe", data)


@post(
    "/contacts/bulk-unsubscribe",
    status_code=202,
    responses=job_responses(JobAccepted),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def bulk_unsubscribe(data: JSONBody[BulkBody], request: ApiRequest) -> RawResponse:
    """Unsubscribe many contacts

    Takes the same body as `/contacts/bulk-subscribe`.
    """
    return await _start(request, "unsubscribe", data)


@post(
    "/contacts/bulk-delete",
    status_code=202,
    responses=job_responses(JobAccepted),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def bulk_delete(data: JSONBody[BulkBody], request: ApiRequest) -> RawResponse:
    """Delete many contacts

    Takes the same body as `/contacts/bulk-subscribe`. With `"mode": "query"` the filter is required; to delete all
    contacts, send `{"mode": "query", "filter": {}}`.
    """
    if data.mode == "query" and data.filter is None:
        raise invalid_field("filter", "Required", "required")
    return await _start(request, "delete", data)


@get("/contacts/bulk/{job_id:str}", responses=query_responses(BulkView), tags=TAGS)
async def get_bulk(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a bulk operation

    `result` is present once the job has ended, with up to 1,000 of the contacts that could not be changed.
    """
    return RawResponse(await request.query(GetBulk(job_id=parse_id(job_id, KIND))))


@post("/contacts/bulk/{job_id:str}/cancel", status_code=200, responses=command_responses(JobStopped, 200), tags=TAGS)
async def cancel_bulk(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel a bulk operation

    Changes that were already made stay.
    """
    return RawResponse(await request.execute(CancelJob(job_id=parse_id(job_id, KIND), kind="bulk")))


async def _start(request: ApiRequest, operation: BulkOperation, body: BulkBody) -> RawResponse:
    command = StartBulk(job_id=request.context.command_id, operation=operation, selection=body.selection())
    return RawResponse(await request.execute(command), 202)
