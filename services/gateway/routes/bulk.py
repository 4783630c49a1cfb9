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
from services.gateway.http.api_request import Call
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import id_of
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import (
    Answer,
    accepts,
    returns,
    shows,
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
    responses=accepts(JobAccepted),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def bulk_subscribe(data: JSONBody[BulkBody], request: Call) -> Answer:
    """Subscribe many contacts

    `{"contactIds": [...]}` with 1 to 1,000 ids, the same with `"mode": "ids"`, or, for everyone who matches,
    `{"mode": "query", "filter": {"search", "subscribed"}, "excludeIds": [...]}`.
    """
    return await _start(request, "subscribe", data)


@post(
    "/contacts/bulk-unsubscribe",
    status_code=202,
    responses=accepts(JobAccepted),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def bulk_unsubscribe(data: JSONBody[BulkBody], request: Call) -> Answer:
    """Unsubscribe many contacts

    Takes what `/contacts/bulk-subscribe` takes.
    """
    return await _start(request, "unsubscribe", data)


@post(
    "/contacts/bulk-delete",
    status_code=202,
    responses=accepts(JobAccepted),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def bulk_delete(data: JSONBody[BulkBody], request: Call) -> Answer:
    """Delete many contacts

    Takes what `/contacts/bulk-subscribe` takes. Everyone there is, is `{"mode": "query", "filter": {}}`: a query has to
    say its filter.
    """
    if data.mode == "query" and data.filter is None:
        raise invalid_field("filter", "Required", "required")
    return await _start(request, "delete", data)


@get("/contacts/bulk/{job_id:str}", responses=shows(BulkView), tags=TAGS)
async def get_bulk(job_id: FromPath[str], request: Call) -> Answer:
    """Get a bulk operation

    `result` comes when the job has ended, with up to 1,000 of the contacts that nothing could be done with.
    """
    return Answer(await request.query(GetBulk(job_id=id_of(job_id, WHAT))))


@post("/contacts/bulk/{job_id:str}/cancel", status_code=200, responses=returns(JobStopped, 200), tags=TAGS)
async def cancel_bulk(job_id: FromPath[str], request: Call) -> Answer:
    """Cancel a bulk operation

    What is done already stays done.
    """
    return Answer(await request.ask(CancelJob(job_id=id_of(job_id, WHAT), kind="bulk")))


async def _start(request: Call, operation: BulkOperation, body: BulkBody) -> Answer:
    command = StartBulk(job_id=request.exchange.command_id, operation=operation, selection=body.selection())
    return Answer(await request.ask(command), 202)


ROUTES = [bulk_subscribe, bulk_unsubscribe, bulk_delete, get_bulk, cancel_bulk]
