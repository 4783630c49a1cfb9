"""Tracked events."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from libs.kernel.field_errors import NO_NUL
from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.schemas.base import Data, View
from libs.schemas.contacts.contacts import GetContact, TrackEvent
from libs.schemas.contacts.events import (
    CountEvents,
    DeleteEvents,
    EventCount,
    EventList,
    EventsDeleted,
    EventUse,
    GetEventUse,
    ListEvents,
)
from libs.schemas.contacts.segments import NamedReference
from libs.schemas.workflows import FindWorkflowsOfEvent, WorkflowUse
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import Email, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import Cursor
from services.gateway.http.raw_response import RawResponse, data_response
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.routes.responses import Tracked

TAGS = ["Events"]

TrackedName = Annotated[str, Meta(min_length=1, max_length=255, pattern=NO_NUL, examples=["signed_up"])]
EventLimit = Annotated[int, QueryParameter(ge=1, le=1000, description="Events per page")]


class EventBody(Body, frozen=True, kw_only=True):
    """The contact by its id or its address. `event` can be used instead of `name`, as in `/v1/track`."""

    name: TrackedName | None = None
    event: TrackedName | None = None
    contact_id: UUID | None = None
    email: Email | None = None
    subscribed: bool | None = None
    data: Data | None = None


class EventNames(View, frozen=True, kw_only=True):
    event_names: list[str]


class EventUsage(View, frozen=True, kw_only=True):
    used_in_segments: list[NamedReference]
    used_in_workflows: list[WorkflowUse]
    total_count: int
    unique_contacts: int
    can_delete: bool


class _Address(msgspec.Struct):
    email: str


@post("/events/track", responses=command_responses(Tracked, 201), tags=TAGS)
async def track_event(data: JSONBody[EventBody], request: ApiRequest) -> RawResponse:
    """Track an event

    Like `/v1/track`, but the contact can also be given by its id.
    """
    name = data.name or data.event
    if name is None:
        raise invalid_field("name", "Event name is required", "required")
    command = TrackEvent(
        contact_id=uuid7(),
        event_id=uuid7(),
        email=await _address(data, request),
        event=name,
        data=data.data or {},
        subscribed=data.subscribed,
    )
    return data_response(await request.execute(command), 201)


@get("/events", responses=query_responses(EventList), tags=TAGS)
async def list_events(
    request: ApiRequest,
    event_name: Annotated[str | None, QueryParameter(name="eventName", max_length=255, pattern=NO_NUL)] = None,
    limit: EventLimit = 100,
    cursor: Cursor = None,
) -> RawResponse:
    """List events

    Newest first.
    """
    return RawResponse(await request.query(ListEvents(name=event_name, limit=limit, cursor=cursor)))


@get("/events/stats", responses=query_responses(list[EventCount]), tags=TAGS)
async def get_event_stats(
    request: ApiRequest,
    start: Annotated[datetime | None, QueryParameter(name="startDate", description="ISO 8601")] = None,
    end: Annotated[datetime | None, QueryParameter(name="endDate", description="ISO 8601")] = None,
) -> RawResponse:
    """Count events

    How often each event was tracked, most frequent first, optionally within a time range.
    """
    return RawResponse(
        await request.query(CountEvents(since=_instant("startDate", start), until=_instant("endDate", end)))
    )


@get("/events/names", responses=query_responses(EventNames), tags=TAGS)
async def list_event_names(request: ApiRequest) -> RawResponse:
    """List event names

    Most frequent first.
    """
    counts = await request.query_as(CountEvents(), list[EventCount])
    return RawResponse(msgspec.json.encode(EventNames(event_names=[each.name for each in counts])))


@get("/events/contact/{contact_id:str}", responses=query_responses(EventList), tags=TAGS)
async def list_contact_events(
    contact_id: FromPath[str], request: ApiRequest, limit: EventLimit = 50, cursor: Cursor = None
) -> RawResponse:
    """List a contact's events

    Newest first.
    """
    query = ListEvents(contact_id=parse_id(contact_id, "Contact"), limit=limit, cursor=cursor)
    return RawResponse(await request.query(query))


@get("/events/{event_name:str}/usage", responses=query_responses(EventUsage), tags=TAGS)
async def get_event_usage(event_name: FromPath[str], request: ApiRequest) -> RawResponse:
    """Find what uses an event

    Conditions of segments, and triggers and steps of workflows. The event can be deleted if nothing uses it.
    """
    name = _name(event_name)
    use, workflows = await asyncio.gather(
        request.query_as(GetEventUse(name=name), EventUse),
        request.query_as(FindWorkflowsOfEvent(name=name), list[WorkflowUse]),
    )
    usage = EventUsage(
        used_in_segments=use.used_in_segments,
        used_in_workflows=workflows,
        total_count=use.total_count,
        unique_contacts=use.unique_contacts,
        can_delete=not use.used_in_segments and not workflows,
    )
    return RawResponse(msgspec.json.encode(usage))


@delete("/events/{event_name:str}", status_code=200, responses=command_responses(EventsDeleted, 200), tags=TAGS)
async def delete_events(event_name: FromPath[str], request: ApiRequest) -> RawResponse:
    """Delete an event

    Deletes all its occurrences so far, within moments. Rejected while a segment or a workflow uses it, and for events
    that only the platform itself tracks.
    """
    name = _name(event_name)
    if used := await request.query_as(FindWorkflowsOfEvent(name=name), list[WorkflowUse]):
        names = ", ".join(workflow.name for workflow in used)
        raise Rejected("EVENT_IN_USE", f"Cannot delete event: used in workflows {names}")
    return RawResponse(await request.execute(DeleteEvents(job_id=request.context.command_id, name=name)))


async def _address(body: EventBody, request: ApiRequest) -> str:
    if body.email is not None:
        return body.email
    if body.contact_id is None:
        raise invalid_field("contactId", "contactId or email is required", "required")
    return (await request.query_as(GetContact(contact_id=body.contact_id), _Address)).email


def _instant(field: str, moment: datetime | None) -> str | None:
    if moment is None:
        return None
    try:
        return iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:  # before the year 1 or after 9999, in UTC
        raise invalid_field(field, "The year must be between 1 and 9999 in UTC", "invalid_date") from None


def _name(text: str) -> str:
    if "\0" in text or len(text) > 255:
        raise invalid_field("eventName", "Must be at most 255 characters without NUL", "invalid_string")
    return text
