"""Campaigns: what they say and to whom, and when they are sent."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from libs.kernel.field_errors import NO_NUL
from libs.runtime.clock import now, uuid7
from libs.schemas.campaigns.audience import Audience, AudienceType
from libs.schemas.campaigns.campaigns import (
    CampaignCommand,
    CampaignPage,
    CampaignStatus,
    CampaignView,
    CancelCampaign,
    CreateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    GetCampaign,
    ListCampaigns,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    SendRate,
    SendWindow,
    UnknownPolicy,
    UnscheduleCampaign,
    UpdateCampaign,
)
from libs.schemas.campaigns.templates import GetTemplate, TemplateView
from libs.schemas.contacts.audiences import PreviewAudience
from libs.schemas.contacts.contacts import Condition
from libs.schemas.delivery.content import Content, Kind, Utm
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import (
    Email,
    Line,
    Name,
    PageNumber,
    PageSize,
    parse_id,
)
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, command_responses, query_responses
from services.gateway.routes.campaign_ab_test import AbTestBody, asked_for
from services.gateway.routes.content import MAX_BYTES, Description, SenderName
from services.gateway.routes.responses import Message

TAGS = ["Campaigns"]

Moment = Annotated[datetime, Meta(tz=True, examples=["2027-01-01T09:00:00Z"])]
Markdown = Annotated[str, Meta(max_length=65_000, examples=["# Hello {{ firstName }}"])]
Html = Annotated[str, Meta(examples=["<p>Hello {{ firstName }}</p>"])]
Preheader = Annotated[str, Meta(max_length=255)]
Language = Annotated[str, Meta(pattern="^[a-z]{2}(-[A-Z]{2})?$", examples=["en"])]


class CampaignBody(Body, frozen=True, kw_only=True):
    """Everything but the name can be written later. `body` is HTML and `content` Markdown: one of the two.

    `sendRate` is the most mails that go out in an hour, `sendWindow` the hours of the day in which they do. A mail of
    which nobody can say whether Amazon SES has it is sent once more after an hour; with `unknownPolicy: NEVER` it is
    not, unless somebody asks for it (`POST /emails/{id}/resend`). `utm` is added to the links.
    """

    name: Name
    description: Description | None = None
    subject: Line | None = None
    preheader: Preheader | None = None
    body: Html | None = None
    content: Markdown | None = None
    from_: Email | None = msgspec.field(default=None, name="from")
    from_name: SenderName | None = None
    reply_to: Email | None = None
    type_: Kind = msgspec.field(default="MARKETING", name="type")
    language: Language | None = None
    audience_type: AudienceType | None = None
    segment_id: UUID | None = None
    list_id: UUID | None = None
    audience_condition: Condition | None = None
    send_rate: SendRate | None = None
    send_window: SendWindow | None = None
    unknown_policy: UnknownPolicy = "RESEND"
    ab_test: AbTestBody | None = None
    utm: Utm | None = None
    overwrite: bool = False


class NewCampaignBody(CampaignBody, frozen=True, kw_only=True):
    """What is not written here is taken from the template, if one is named."""

    template_id: UUID | None = None


class CampaignChanges(Body, frozen=True, kw_only=True):
    """What is given is changed; null empties a field."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    subject: Line | UnsetType | None = UNSET
    preheader: Preheader | UnsetType | None = UNSET
    body: Html | UnsetType | None = UNSET
    content: Markdown | UnsetType | None = UNSET
    from_: Email | UnsetType | None = msgspec.field(default=UNSET, name="from")
    from_name: SenderName | UnsetType | None = UNSET
    reply_to: Email | UnsetType | None = UNSET
    type_: Kind | UnsetType = msgspec.field(default=UNSET, name="type")
    language: Language | UnsetType | None = UNSET
    audience_type: AudienceType | UnsetType | None = UNSET
    segment_id: UUID | UnsetType | None = UNSET
    list_id: UUID | UnsetType | None = UNSET
    audience_condition: Condition | UnsetType | None = UNSET
    send_rate: SendRate | UnsetType | None = UNSET
    send_window: SendWindow | UnsetType | None = UNSET
    unknown_policy: UnknownPolicy | UnsetType = UNSET
    ab_test: AbTestBody | UnsetType | None = UNSET
    utm: Utm | UnsetType | None = UNSET
    overwrite: bool = False


class SendCampaignBody(Body, frozen=True, kw_only=True):
    scheduled_for: Moment | None = None


class ScheduleBody(Body, frozen=True, kw_only=True):
    scheduled_for: Moment


@get("/campaigns", responses=query_responses(CampaignPage), tags=TAGS)
async def list_campaigns(
    request: ApiRequest,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    status: Annotated[CampaignStatus | None, QueryParameter(description="Only campaigns in this state")] = None,
    search: Annotated[
        str | None, QueryParameter(max_length=255, pattern=NO_NUL, description="Part of the name")
    ] = None,
) -> RawResponse:
    """List campaigns

    Newest first.
    """
    return RawResponse(await request.query(ListCampaigns(page=page, page_size=page_size, status=status, search=search)))


@post("/campaigns", responses=command_responses(CampaignView, 201), tags=TAGS, request_max_body_size=MAX_BYTES)
async def create_campaign(data: JSONBody[NewCampaignBody], request: ApiRequest) -> RawResponse:
    """Create a campaign

    It starts as a DRAFT. The audience is everyone who is subscribed (`ALL`), a segment or a list (`SEGMENT`; with both,
    those who are in both), or whoever meets a condition (`FILTERED`). `readiness` says what is missing before it can
    be sent.
    """
    _require_one_body(data.body, data.content)
    await _require_audience(request, _audience(data))
    command = CreateCampaign(
        campaign_id=uuid7(),
        name=data.name,
        content=await _written(request, data),
        audience=_audience(data),
        description=data.description,
        preheader=data.preheader,
        markdown=data.content,
        language=data.language,
        template_id=data.template_id,
        send_rate=data.send_rate,
        send_window=data.send_window,
        unknown_policy=data.unknown_policy,
        ab_test=asked_for(data.ab_test),
    )
    return RawResponse(await request.execute(command), 201)


@get("/campaigns/{campaign_id:str}", responses=query_responses(CampaignView), tags=TAGS)
async def get_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a campaign"""
    return RawResponse(await request.query(GetCampaign(campaign_id=_id(campaign_id))))


@put(
    "/campaigns/{campaign_id:str}",
    status_code=200,
    responses=command_responses(CampaignView, 200),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def replace_campaign(
    campaign_id: FromPath[str], data: JSONBody[CampaignBody], request: ApiRequest
) -> RawResponse:
    """Replace a campaign

    What is not given is emptied. Only in DRAFT, SCHEDULED and FAILED; one that is scheduled must stay ready. A body
    that Markdown cannot preserve is replaced by `content` only with `overwrite: true`.
    """
    _require_one_body(data.body, data.content)
    await _require_audience(request, _audience(data))
    # Of the two forms of the body, the one that is not given must not empty the other.
    other = {"markdown": UNSET} if data.content is None else {"body": UNSET}
    return RawResponse(await request.execute(msgspec.structs.replace(_update(campaign_id, data), **other)))


@patch(
    "/campaigns/{campaign_id:str}",
    responses=command_responses(CampaignView, 200),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def update_campaign(
    campaign_id: FromPath[str], data: JSONBody[CampaignChanges], request: ApiRequest
) -> RawResponse:
    """Update a campaign

    Changes the fields that are given. Only in DRAFT, SCHEDULED and FAILED; one that is scheduled must stay ready. A
    body that Markdown cannot preserve is replaced by `content` only with `overwrite: true`.
    """
    _require_one_body(data.body, data.content)
    for part in _named(data):
        await _require_audience(request, part)
    return RawResponse(await request.execute(_update(campaign_id, data)))


@delete("/campaigns/{campaign_id:str}", status_code=200, responses=command_responses(Message, 200), tags=TAGS)
async def delete_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Delete a campaign

    Only in DRAFT, SENT, FAILED and CANCELLED. What it sent stays in the history of its contacts.
    """
    await request.execute(DeleteCampaign(campaign_id=_id(campaign_id), asked_at=now()))
    return RawResponse(b'{"success":true,"message":"Campaign deleted"}')


@post("/campaigns/{campaign_id:str}/duplicate", responses=command_responses(CampaignView, 201), tags=TAGS)
async def duplicate_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Duplicate a campaign

    The copy is a DRAFT, whatever became of the original.
    """
    return RawResponse(await request.execute(DuplicateCampaign(campaign_id=uuid7(), original_id=_id(campaign_id))), 201)


@post("/campaigns/{campaign_id:str}/send", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def send_campaign(
    campaign_id: FromPath[str], request: ApiRequest, data: JSONBody[SendCampaignBody | None] = None
) -> RawResponse:
    """Send a campaign

    Freezes its content and queues it for sending now; with `scheduledFor`, schedules it. Only in DRAFT, SCHEDULED and
    FAILED, and only if it is ready.
    """
    if data and data.scheduled_for:
        return await _schedule(request, campaign_id, data.scheduled_for)
    return await _ask(request, SendCampaign, campaign_id)


@post(
    "/campaigns/{campaign_id:str}/schedule", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS
)
async def schedule_campaign(
    campaign_id: FromPath[str], data: JSONBody[ScheduleBody], request: ApiRequest
) -> RawResponse:
    """Schedule a campaign

    Or move its schedule. If nothing runs at that time, it is sent up to an hour late; after that it is not sent but
    FAILED, with the failure `MISSED`.
    """
    return await _schedule(request, campaign_id, data.scheduled_for)


@post(
    "/campaigns/{campaign_id:str}/unschedule",
    status_code=200,
    responses=command_responses(CampaignView, 200),
    tags=TAGS,
)
async def unschedule_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Unschedule a campaign

    It is a DRAFT again.
    """
    return await _ask(request, UnscheduleCampaign, campaign_id)


@post("/campaigns/{campaign_id:str}/cancel", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def cancel_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel a campaign

    For good. What is not handed to SES yet is cancelled; what SES has is still reported.
    """
    return await _ask(request, CancelCampaign, campaign_id)


@post("/campaigns/{campaign_id:str}/pause", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def pause_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Pause a campaign

    What is not handed to SES yet waits until the campaign is resumed or cancelled.
    """
    return await _ask(request, PauseCampaign, campaign_id)


@post("/campaigns/{campaign_id:str}/resume", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def resume_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Resume a paused campaign"""
    return await _ask(request, ResumeCampaign, campaign_id)


async def _ask(request: ApiRequest, transition: type[CampaignCommand], campaign_id: str) -> RawResponse:
    return RawResponse(await request.execute(transition(campaign_id=_id(campaign_id), asked_at=now())))


async def _schedule(request: ApiRequest, campaign_id: str, scheduled_for: datetime) -> RawResponse:
    command = ScheduleCampaign(campaign_id=_id(campaign_id), scheduled_for=scheduled_for, asked_at=now())
    return RawResponse(await request.execute(command))


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")


def _update(campaign_id: str, data: CampaignBody | CampaignChanges) -> UpdateCampaign:
    """The change that the body asks for, field by field."""
    return UpdateCampaign(
        campaign_id=_id(campaign_id),
        name=data.name,
        description=data.description,
        subject=data.subject,
        body=data.body,
        markdown=data.content,
        preheader=data.preheader,
        from_email=data.from_,
        from_name=data.from_name,
        reply_to=data.reply_to,
        kind=data.type_,
        language=data.language,
        audience_type=data.audience_type,
        segment_id=data.segment_id,
        list_id=data.list_id,
        audience_condition=data.audience_condition,
        send_rate=data.send_rate,
        send_window=data.send_window,
        unknown_policy=data.unknown_policy,
        ab_test=asked_for(data.ab_test),
        utm=data.utm,
        overwrite=data.overwrite,
    )


async def _written(request: ApiRequest, data: NewCampaignBody) -> Content:
    if data.template_id is None:
        return _content(data)
    template = msgspec.json.decode(await request.query(GetTemplate(template_id=data.template_id)), type=TemplateView)
    return Content(
        subject=data.subject or template.subject,
        body=data.body or template.body,
        from_email=data.from_ or template.from_,
        from_name=data.from_name or template.from_name,
        reply_to=data.reply_to or template.reply_to,
        kind=template.type_,
        utm=data.utm,
    )


def _content(data: CampaignBody) -> Content:
    return Content(
        subject=data.subject or "",
        body=data.body or "",
        from_email=data.from_ or "",
        from_name=data.from_name,
        reply_to=data.reply_to,
        kind=data.type_,
        utm=data.utm,
    )


def _audience(data: CampaignBody) -> Audience | None:
    """Who is meant. A segment or a list needs no type beside it."""
    kind = data.audience_type or ("SEGMENT" if data.segment_id or data.list_id else None)
    if kind is None:
        return None
    return Audience(
        audience_type=kind,
        segment_id=data.segment_id,
        list_id=data.list_id,
        audience_condition=data.audience_condition,
    )


def _named(data: CampaignChanges) -> list[Audience]:
    """The segment, the list and the condition that are given, each for itself."""
    named = []
    if isinstance(data.segment_id, UUID):
        named.append(Audience(audience_type="SEGMENT", segment_id=data.segment_id))
    if isinstance(data.list_id, UUID):
        named.append(Audience(audience_type="SEGMENT", list_id=data.list_id))
    if isinstance(data.audience_condition, Condition):
        named.append(Audience(audience_type="FILTERED", audience_condition=data.audience_condition))
    return named


async def _require_audience(request: ApiRequest, audience: Audience | None) -> None:
    """Raise Rejected if the audience names a segment that is not there, or a condition that cannot be."""
    if audience and (audience.segment_id or audience.list_id or audience.audience_condition):
        await request.query(PreviewAudience(audience=audience, page_size=1))


def _require_one_body(body: object, content: object) -> None:
    if isinstance(body, str) and isinstance(content, str):
        raise invalid_field(
            "content", "Give the body as HTML in `body` or as Markdown in `content`, not both", "invalid"
        )


ROUTES = [
    list_campaigns,
    create_campaign,
    get_campaign,
    replace_campaign,
    update_campaign,
    delete_campaign,
    duplicate_campaign,
    send_campaign,
    schedule_campaign,
    unschedule_campaign,
    cancel_campaign,
    pause_campaign,
    resume_campaign,
]
