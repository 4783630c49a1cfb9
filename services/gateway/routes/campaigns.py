"""Campaigns: their content, their audience, and when they are sent."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from libs.kernel.field_errors import NO_NUL
from libs.runtime.clock import now, uuid7
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignCommand,
    CampaignPage,
    CampaignStatus,
    CampaignView,
    CancelCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    GetCampaign,
    ListCampaigns,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    UnscheduleCampaign,
)
from libs.schemas.campaigns.templates import GetTemplate, TemplateView
from libs.schemas.contacts.audiences import PreviewAudience
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import MAX_MAIL_BYTES, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import PageNumber, PageSize
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.routes.campaign_bodies import (
    CampaignBody,
    CampaignChanges,
    NewCampaignBody,
    audience_of,
    changed_audiences,
    create_command,
    replace_command,
    require_one_body,
    update_command,
)
from services.gateway.routes.responses import Message

TAGS = ["Campaigns"]

Moment = Annotated[datetime, Meta(tz=True, examples=["2027-01-01T09:00:00Z"])]


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


@post("/campaigns", responses=command_responses(CampaignView, 201), tags=TAGS, request_max_body_size=MAX_MAIL_BYTES)
async def create_campaign(data: JSONBody[NewCampaignBody], request: ApiRequest) -> RawResponse:
    """Create a campaign

    It starts as a DRAFT. The audience is all subscribed contacts (`ALL`), a segment or a list (`SEGMENT`; with both,
    the contacts that are in both), or the contacts that match a condition (`FILTERED`). `readiness` says what is
    missing before it can be sent.
    """
    require_one_body(data)
    await _require_audience(request, audience_of(data))
    template = await _template(request, data.template_id)
    return RawResponse(await request.execute(create_command(data, template)), 201)


@get("/campaigns/{campaign_id:str}", responses=query_responses(CampaignView), tags=TAGS)
async def get_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a campaign"""
    return RawResponse(await request.query(GetCampaign(campaign_id=_id(campaign_id))))


@put(
    "/campaigns/{campaign_id:str}",
    status_code=200,
    responses=command_responses(CampaignView, 200),
    tags=TAGS,
    request_max_body_size=MAX_MAIL_BYTES,
)
async def replace_campaign(
    campaign_id: FromPath[str], data: JSONBody[CampaignBody], request: ApiRequest
) -> RawResponse:
    """Replace a campaign

    Fields that are not given are cleared. Only in DRAFT, SCHEDULED and FAILED; a scheduled campaign must stay ready. A
    body that Markdown cannot represent is replaced by `content` only with `overwrite: true`.
    """
    require_one_body(data)
    await _require_audience(request, audience_of(data))
    return RawResponse(await request.execute(replace_command(_id(campaign_id), data)))


@patch(
    "/campaigns/{campaign_id:str}",
    responses=command_responses(CampaignView, 200),
    tags=TAGS,
    request_max_body_size=MAX_MAIL_BYTES,
)
async def update_campaign(
    campaign_id: FromPath[str], data: JSONBody[CampaignChanges], request: ApiRequest
) -> RawResponse:
    """Update a campaign

    Changes the given fields. Only in DRAFT, SCHEDULED and FAILED; a scheduled campaign must stay ready. A body that
    Markdown cannot represent is replaced by `content` only with `overwrite: true`.
    """
    require_one_body(data)
    for part in changed_audiences(data):
        await _require_audience(request, part)
    return RawResponse(await request.execute(update_command(_id(campaign_id), data)))


@delete("/campaigns/{campaign_id:str}", status_code=200, responses=command_responses(Message, 200), tags=TAGS)
async def delete_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Delete a campaign

    Only in DRAFT, SENT, FAILED and CANCELLED. The mails that it sent stay in the history of the contacts.
    """
    await request.execute(DeleteCampaign(campaign_id=_id(campaign_id), asked_at=now()))
    return RawResponse(b'{"success":true,"message":"Campaign deleted"}')


@post("/campaigns/{campaign_id:str}/duplicate", responses=command_responses(CampaignView, 201), tags=TAGS)
async def duplicate_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Duplicate a campaign

    The copy is a DRAFT, whatever the status of the original.
    """
    return RawResponse(await request.execute(DuplicateCampaign(campaign_id=uuid7(), original_id=_id(campaign_id))), 201)


@post("/campaigns/{campaign_id:str}/send", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def send_campaign(
    campaign_id: FromPath[str], request: ApiRequest, data: JSONBody[SendCampaignBody | None] = None
) -> RawResponse:
    """Send a campaign

    Freezes its content and queues it for sending, or schedules it with `scheduledFor`. Only in DRAFT, SCHEDULED and
    FAILED, and only if it is ready.
    """
    if data and data.scheduled_for:
        return await _schedule(request, campaign_id, data.scheduled_for)
    return await _transition(request, SendCampaign, campaign_id)


@post(
    "/campaigns/{campaign_id:str}/schedule", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS
)
async def schedule_campaign(
    campaign_id: FromPath[str], data: JSONBody[ScheduleBody], request: ApiRequest
) -> RawResponse:
    """Schedule a campaign

    Also changes the schedule. If the platform is down at that time, the campaign is sent up to an hour late; after that
    it is not sent but becomes FAILED with the failure `MISSED`.
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

    It becomes a DRAFT again.
    """
    return await _transition(request, UnscheduleCampaign, campaign_id)


@post("/campaigns/{campaign_id:str}/cancel", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def cancel_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel a campaign

    Cannot be undone. Mails that were not handed to SES yet are cancelled; the others are still reported on.
    """
    return await _transition(request, CancelCampaign, campaign_id)


@post("/campaigns/{campaign_id:str}/pause", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def pause_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Pause a campaign

    Mails that were not handed to SES yet wait until the campaign is resumed or cancelled.
    """
    return await _transition(request, PauseCampaign, campaign_id)


@post("/campaigns/{campaign_id:str}/resume", status_code=200, responses=command_responses(CampaignView, 200), tags=TAGS)
async def resume_campaign(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Resume a paused campaign"""
    return await _transition(request, ResumeCampaign, campaign_id)


async def _transition(request: ApiRequest, transition: type[CampaignCommand], campaign_id: str) -> RawResponse:
    return RawResponse(await request.execute(transition(campaign_id=_id(campaign_id), asked_at=now())))


async def _schedule(request: ApiRequest, campaign_id: str, scheduled_for: datetime) -> RawResponse:
    command = ScheduleCampaign(campaign_id=_id(campaign_id), scheduled_for=scheduled_for, asked_at=now())
    return RawResponse(await request.execute(command))


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")


async def _template(request: ApiRequest, template_id: UUID | None) -> TemplateView | None:
    if template_id is None:
        return None
    return await request.query_as(GetTemplate(template_id=template_id), TemplateView)


async def _require_audience(request: ApiRequest, audience: Audience | None) -> None:
    """Raise Rejected if the audience has an unknown segment or an invalid condition."""
    if audience and (audience.segment_id or audience.list_id or audience.audience_condition):
        await request.query(PreviewAudience(audience=audience, page_size=1))
