"""Segments."""

import asyncio
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.runtime.clock import uuid7
from libs.schemas.base import View
from libs.schemas.campaigns.campaigns import CampaignUse, FindCampaignsOfSegment
from libs.schemas.contacts.contacts import Condition
from libs.schemas.contacts.segments import (
    AddedMembers,
    AddSegmentMembers,
    ComputedSegment,
    ComputeSegment,
    CountSegment,
    CreateSegment,
    DeleteSegment,
    ExplainMembership,
    Explanation,
    FindSegmentReferences,
    GetSegment,
    ListSegmentContacts,
    ListSegments,
    MemberCount,
    NamedReference,
    RemovedMembers,
    RemoveSegmentMembers,
    SegmentContacts,
    SegmentView,
    UpdateSegment,
)
from libs.schemas.workflows import FindWorkflowsOfSegment, WorkflowUse
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.fields import Description, Name, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import PageNumber, PageSize
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Segments"]
MAX_EMAILS = 500

Emails = Annotated[list[str], Meta(min_length=1, max_length=MAX_EMAILS)]


class SegmentBody(Body, frozen=True, kw_only=True):
    name: Name
    type_: Literal["DYNAMIC", "STATIC"] = msgspec.field(default="DYNAMIC", name="type")
    condition: Condition | None = None
    description: Description | None = None
    track_membership: bool = False


class SegmentChanges(Body, frozen=True, kw_only=True):
    name: Name | None = None
    description: Description | msgspec.UnsetType | None = msgspec.UNSET
    condition: Condition | None = None
    track_membership: bool | None = None


class NewMembers(Body, frozen=True, kw_only=True):
    emails: Emails
    create_missing: bool = False
    subscribed: bool = True


class FormerMembers(Body, frozen=True, kw_only=True):
    emails: Emails


class _Slug(msgspec.Struct):
    slug: str


class SegmentUsage(View, frozen=True, kw_only=True):
    """Where a segment is used. Campaigns that have ended do not count."""

    used_in_segments: list[NamedReference]
    used_in_campaigns: list[CampaignUse]
    used_in_workflows: list[WorkflowUse]
    can_delete: bool


@get("/segments", responses=query_responses(list[SegmentView]), tags=TAGS)
async def list_segments(request: ApiRequest) -> RawResponse:
    """List segments

    Newest first.
    """
    return RawResponse(await request.query(ListSegments()))


@post("/segments", responses=command_responses(SegmentView, 201), tags=TAGS)
async def create_segment(data: JSONBody[SegmentBody], request: ApiRequest) -> RawResponse:
    """Create a segment

    The members of a `DYNAMIC` segment are the contacts that match its condition. Groups are combined by `logic`; within
    a group all filters and nested `conditions` must match. A missing or null field matches `notExists` only. A `STATIC`
    segment has no condition: its members are added to its list.

    With `trackMembership`, the events `segment.<slug>.entry` and `segment.<slug>.exit` are tracked for each contact
    that enters or leaves. The slug is derived from the name and never changes. In a large project the first
    `memberCount` is the number of members found so far.
    """
    command = CreateSegment(
        segment_id=uuid7(),
        name=data.name,
        condition=data.condition,
        description=data.description,
        track_membership=data.track_membership,
        kind=data.type_,
    )
    return RawResponse(await request.execute(command), 201)


@get("/segments/{segment_id:str}", responses=query_responses(SegmentView), tags=TAGS)
async def get_segment(segment_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a segment"""
    return RawResponse(await request.query(GetSegment(segment_id=_id(segment_id))))


@patch("/segments/{segment_id:str}", responses=command_responses(SegmentView, 200), tags=TAGS)
async def update_segment(segment_id: FromPath[str], data: JSONBody[SegmentChanges], request: ApiRequest) -> RawResponse:
    """Update a segment

    Changes the given fields; `description: null` clears it. Contacts that enter or leave because of a new condition are
    tracked like all others. The names of the events stay those from the creation.
    """
    command = UpdateSegment(
        segment_id=_id(segment_id),
        name=data.name,
        description=data.description,
        condition=data.condition,
        track_membership=data.track_membership,
    )
    return RawResponse(await request.execute(command))


@delete("/segments/{segment_id:str}", status_code=204, responses=command_responses(None, 204), tags=TAGS)
async def delete_segment(segment_id: FromPath[str], request: ApiRequest) -> None:
    """Delete a segment

    Rejected while an unfinished campaign or another segment uses it. Its contacts are not deleted.
    """
    parsed_id = _id(segment_id)
    users = await request.query_as(FindCampaignsOfSegment(segment_id=parsed_id), list[CampaignUse])
    if users:
        message = f"Cannot delete segment: it is currently used in {len(users)} active campaign(s)."
        raise ApiError(409, "SEGMENT_IN_USE", message, details={"campaigns": msgspec.to_builtins(users)})
    await request.execute(DeleteSegment(segment_id=parsed_id))


@get("/segments/{segment_id:str}/contacts", responses=query_responses(SegmentContacts), tags=TAGS)
async def list_segment_contacts(
    segment_id: FromPath[str], request: ApiRequest, page: PageNumber = 1, page_size: PageSize = 20
) -> RawResponse:
    """List a segment's contacts

    The current members: the newest contact first for a dynamic segment, the last added first for a static one.
    """
    query = ListSegmentContacts(segment_id=_id(segment_id), page=page, page_size=page_size)
    return RawResponse(await request.query(query))


@post("/segments/{segment_id:str}/members", status_code=200, responses=command_responses(AddedMembers, 200), tags=TAGS)
async def add_members(segment_id: FromPath[str], data: JSONBody[NewMembers], request: ApiRequest) -> RawResponse:
    """Add members

    Adds up to 500 addresses to the list of a static segment. `added` counts those that were not on it. Addresses
    without a contact are returned in `notFound`, or become contacts with `createMissing`.
    """
    command = AddSegmentMembers(
        segment_id=_id(segment_id),
        emails=data.emails,
        contact_ids=[uuid7() for _ in data.emails] if data.create_missing else [],
        create_missing=data.create_missing,
        subscribed=data.subscribed,
    )
    return RawResponse(await request.execute(command))


@delete(
    "/segments/{segment_id:str}/members", status_code=200, responses=command_responses(RemovedMembers, 200), tags=TAGS
)
async def remove_members(segment_id: FromPath[str], data: JSONBody[FormerMembers], request: ApiRequest) -> RawResponse:
    """Remove members

    Removes addresses from the list of a static segment. `removed` counts those that were on it.
    """
    return RawResponse(await request.execute(RemoveSegmentMembers(segment_id=_id(segment_id), emails=data.emails)))


@post(
    "/segments/{segment_id:str}/compute", status_code=200, responses=command_responses(ComputedSegment, 200), tags=TAGS
)
async def compute_segment(segment_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Compute membership

    Membership is updated continuously; this does the pending work at once. `added` and `removed` count the contacts
    that entered and left since the last call. Only with `trackMembership`.
    """
    return RawResponse(await request.execute(ComputeSegment(segment_id=_id(segment_id))))


@post("/segments/{segment_id:str}/refresh", status_code=200, responses=query_responses(MemberCount), tags=TAGS)
async def refresh_segment(segment_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Count members

    Changes nothing.
    """
    return RawResponse(await request.query(CountSegment(segment_id=_id(segment_id))))


@get("/segments/{segment_id:str}/usage", responses=query_responses(SegmentUsage), tags=TAGS)
async def get_segment_usage(segment_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Find what uses a segment

    Conditions of segments, audiences of unfinished campaigns, and steps and triggers of workflows. The segment can be
    deleted if no segment and no campaign uses it.
    """
    parsed_id = _id(segment_id)
    segment = await request.query_as(GetSegment(segment_id=parsed_id), _Slug)
    segments, campaigns, workflows = await asyncio.gather(
        request.query_as(FindSegmentReferences(segment_id=parsed_id), list[NamedReference]),
        request.query_as(FindCampaignsOfSegment(segment_id=parsed_id), list[CampaignUse]),
        request.query_as(FindWorkflowsOfSegment(segment_id=parsed_id, slug=segment.slug), list[WorkflowUse]),
    )
    usage = SegmentUsage(
        used_in_segments=segments,
        used_in_campaigns=campaigns,
        used_in_workflows=workflows,
        can_delete=not segments and not campaigns,
    )
    return RawResponse(msgspec.json.encode(usage))


@get("/segments/{segment_id:str}/contacts/{contact_id:str}/explain", responses=query_responses(Explanation), tags=TAGS)
async def explain_membership(segment_id: FromPath[str], contact_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Explain why a contact is in a segment or not

    Returns for every filter of the condition whether it matches, and the contact's value for it.
    """
    query = ExplainMembership(segment_id=_id(segment_id), contact_id=parse_id(contact_id, "Contact"))
    return RawResponse(await request.query(query))


def _id(text: str) -> UUID:
    return parse_id(text, "Segment")
