"""Segments."""

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.runtime.clock import uuid7
from libs.schemas.contacts import Condition
from libs.schemas.segments import (
    CreateSegment,
    GetSegment,
    ListSegmentContacts,
    ListSegments,
    SegmentContacts,
    SegmentView,
)
from services.gateway.answers import Answer, returns, shows
from services.gateway.call import Call
from services.gateway.fields import Name, PageNumber, PageSize, id_of
from services.gateway.json_body import Body
from services.gateway.problems import invalid_field

TAGS = ["Segments"]


class SegmentBody(Body, frozen=True, kw_only=True):
    name: Name
    type_: Literal["DYNAMIC", "STATIC"] = msgspec.field(default="DYNAMIC", name="type")
    condition: Condition | None = None
    description: Annotated[str, Meta(max_length=500)] | None = None
    track_membership: bool = False


@get("/segments", responses=shows(list[SegmentView]), tags=TAGS)
async def list_segments(request: Call) -> Answer:
    """List segments"""
    return Answer(await request.query(ListSegments()))


@post("/segments", responses=returns(SegmentView, 201), tags=TAGS)
async def create_segment(data: JSONBody[SegmentBody], request: Call) -> Answer:
    """Create a segment

    Its members are the contacts for whom the condition holds. Groups are joined by `logic`; the filters within a group
    must all hold. A missing or null field matches `notExists` only.
    """
    if data.type_ == "STATIC":
        raise invalid_field("type", "Static segments are not supported yet", "unsupported")
    if data.condition is None:
        raise invalid_field("condition", "Required", "required")
    command = CreateSegment(
        segment_id=uuid7(),
        name=data.name,
        condition=data.condition,
        description=data.description,
        track_membership=data.track_membership,
    )
    return Answer(await request.ask(command), 201)


@get("/segments/{segment_id:str}", responses=shows(SegmentView), tags=TAGS)
async def get_segment(segment_id: FromPath[str], request: Call) -> Answer:
    """Get a segment"""
    return Answer(await request.query(GetSegment(segment_id=id_of(segment_id, "Segment"))))


@get("/segments/{segment_id:str}/contacts", responses=shows(SegmentContacts), tags=TAGS)
async def list_segment_contacts(
    segment_id: FromPath[str], request: Call, page: PageNumber = 1, page_size: PageSize = 20
) -> Answer:
    """List a segment's contacts

    Evaluated live.
    """
    query = ListSegmentContacts(segment_id=id_of(segment_id, "Segment"), page=page, page_size=page_size)
    return Answer(await request.query(query))


ROUTES = [list_segments, create_segment, get_segment, list_segment_contacts]
