"""Resending a campaign to the recipients who did not open it."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.kernel.structs import shared_fields
from libs.runtime.clock import now, uuid7
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignView,
    CreateCampaign,
    GetCampaign,
    ScheduleCampaign,
    SendCampaign,
)
from libs.schemas.campaigns.results import CampaignRecipients, ListCampaignRecipients
from libs.schemas.delivery.content import Content
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.fields import Line, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses
from services.gateway.routes.recipient_list import create_list

TAGS = ["Campaigns"]
PAGE = 1000
SUFFIX = " (Resend)"
MAX_NAME = 100


class ResendBody(Body, frozen=True, kw_only=True):
    """A different subject often helps."""

    subject: Line | None = None
    scheduled_for: Annotated[datetime, Meta(tz=True)] | None = None


@post("/campaigns/{campaign_id:str}/resend", status_code=201, responses=command_responses(CampaignView, 201), tags=TAGS)
async def resend_campaign(
    campaign_id: FromPath[str], request: ApiRequest, data: JSONBody[ResendBody | None] = None
) -> RawResponse:
    """Resend a campaign to those who did not open it

    Creates a new campaign from one that was SENT, for its recipients who have not opened it, and sends or schedules it.
    The recipients are put on a list first, which takes some seconds for a hundred thousand. Opens that are not
    reported, for example because images are not loaded, are not known.
    """
    body, original_id = data or ResendBody(), parse_id(campaign_id, "Campaign")
    first = await request.query_as(GetCampaign(campaign_id=original_id), CampaignView)
    if first.status != "SENT":
        raise ApiError(409, "CAMPAIGN_NOT_RESENDABLE", "Only a campaign with status SENT can be resent")
    pages = _recipients_without_open(request, original_id)
    first_page = await anext(pages, None)
    if first_page is None:
        raise ApiError(409, "NO_RECIPIENTS", "All recipients have already opened this campaign")
    list_id = await create_list(request, _chained(first_page, pages), create_missing=False)
    audience = Audience(audience_type="SEGMENT", list_id=list_id)
    create = _resent(first, body, audience)
    await request.execute(create, "campaign")
    send = (
        ScheduleCampaign(campaign_id=create.campaign_id, scheduled_for=body.scheduled_for, asked_at=now())
        if body.scheduled_for
        else SendCampaign(campaign_id=create.campaign_id, asked_at=now())
    )
    return RawResponse(await request.execute(send, "send"), 201)


async def _recipients_without_open(request: ApiRequest, campaign_id: UUID) -> AsyncIterator[list[str]]:
    """Yield the addresses page by page, without empty pages."""
    cursor: str | None = None
    while True:
        query = ListCampaignRecipients(campaign_id=campaign_id, status="not_opened", limit=PAGE, cursor=cursor)
        page = await request.query_as(query, CampaignRecipients)
        if emails := [each.email for each in page.data if each.email]:
            yield emails
        cursor = page.cursor
        if cursor is None:
            return


async def _chained(first: list[str], rest: AsyncIterator[list[str]]) -> AsyncIterator[list[str]]:
    yield first
    async for page in rest:
        yield page


def _with_winner(campaign: CampaignView) -> CampaignView:
    """Return the campaign with the content of its A/B test's winner, or of the first variant if there is none."""
    test = campaign.ab_test
    if test is None:
        return campaign
    winner = next((variant for variant in test.variants if variant.key == test.winner), test.variants[0])
    return msgspec.structs.replace(
        campaign,
        subject=winner.subject or campaign.subject,
        preheader=campaign.preheader if winner.preheader is None else winner.preheader,
        body=winner.body or campaign.body,
        markdown=winner.markdown if winner.body else campaign.markdown,
    )


def _resent(campaign: CampaignView, body: ResendBody, audience: Audience) -> CreateCampaign:
    first = _with_winner(campaign)
    fields = shared_fields(first, CreateCampaign) | {
        "campaign_id": uuid7(),
        "name": first.name[: MAX_NAME - len(SUFFIX)] + SUFFIX,
        "content": Content(
            subject=body.subject or first.subject or "",
            body=first.body or "",
            from_email=first.from_email or "",
            from_name=first.from_name,
            reply_to=first.reply_to,
            kind=first.kind,
            utm=first.utm,
        ),
        "audience": audience,
        "template_id": None,
        "ab_test": None,
    }
    return CreateCampaign(**fields)
