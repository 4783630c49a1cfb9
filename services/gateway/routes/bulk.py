"""Doing one thing to many contacts."""

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
from services.gateway.http.raw_response import (
    RawResponse,
    command_responses,
    job_responses,
    query_responses,
)

TAGS = ["Bulk operations"]
WHAT = "Bulk action job"

MAX_BYTES = 1024 * 1024
"""Ten thousand ids are more than other bodies may weigh."""


class FilterBody(Body, frozen=True, kw_only=True):
    search: Annotated[str, Meta(max_length=255, pattern=NO_NUL)] | None = None
    subscribed: bool | None = None


class BulkBody(Body, frozen=True, kw_only=True):
    """Contacts by their ids (`mode` may be left out then), or everyone who matches a filter."""

    mode: Literal["ids", "query"] = "ids"
    contact_ids: Annotated[list[UUID], Meta(min_length=1, max_length=MAX_IDS)] | None = None
    filter: FilterBody | None = None
    exclude_ids: Annotated[list[UUID], Meta(max_length=MAX_EXCLUDED)] | None = None

    def selection(self) -> Selection:
        if self.mode == "query":
            wanted = self.filter or FilterBody()
            return ContactSearch(
                filter=ContactFilter(search=wanted.search, subscribed=wanted.subscribed),
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

    `{"contactIds": [...]}` with 1 to 1,000 ids, the same with `"mode": "ids"`, or, for everyone who matches,
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

    Takes what `/contacts/bulk-subscribe` takes.
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

    Takes what `/contacts/bulk-subscribe` takes. Everyone there is, is `{"mode": "query", "filter": {}}`: a query has to
    say its filter.
    """
    if data.mode == "query" and data.filter is None:
        raise invalid_field("filter", "Required", "required")
    return await _start(request, "delete", data)


@get("/contacts/bulk/{job_id:str}", responses=query_responses(BulkView), tags=TAGS)
async def get_bulk(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a bulk operation

    `result` comes when the job has ended, with up to 1,000 of the contacts that nothing could be done with.
    """
    return RawResponse(await request.query(GetBulk(job_id=parse_id(job_id, WHAT))))


@post("/contacts/bulk/{job_id:str}/cancel", status_code=200, responses=command_responses(JobStopped, 200), tags=TAGS)
async def cancel_bulk(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel a bulk operation

    What is done already stays done.
    """
    return RawResponse(await request.execute(CancelJob(job_id=parse_id(job_id, WHAT), kind="bulk")))


async def _start(request: ApiRequest, operation: BulkOperation, body: BulkBody) -> RawResponse:
    command = StartBulk(job_id=request.context.command_id, operation=operation, selection=body.selection())
    return RawResponse(await request.execute(command), 202)


ROUTES = [bulk_subscribe, bulk_unsubscribe, bulk_delete, get_bulk, cancel_bulk]
