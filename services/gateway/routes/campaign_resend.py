"""Campaigns: writing again to those who did not open the first one."""

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
from services.gateway.http.raw_response import RawResponse, command_responses
from services.gateway.routes.recipient_list import made_list

TAGS = ["Campaigns"]
PAGE = 1000
SUFFIX = " (Resend)"
LONGEST_NAME = 100


class ResendBody(Body, frozen=True, kw_only=True):
    """Another subject often helps."""

    subject: Line | None = None
    scheduled_for: Annotated[datetime, Meta(tz=True)] | None = None


@post("/campaigns/{campaign_id:str}/resend", status_code=201, responses=command_responses(CampaignView, 201), tags=TAGS)
async def resend_campaign(
    campaign_id: FromPath[str], request: ApiRequest, data: JSONBody[ResendBody | None] = None
) -> RawResponse:
    """Resend a campaign to those who did not open it

    Makes a new campaign of one that was SENT, for those to whom it was sent and who have not opened it, and sends it or
    schedules it. They are put on a list first, which takes some seconds for a hundred thousand. Opens that are not
    reported, as where images are not loaded, cannot be known.
    """
    body, found = data or ResendBody(), parse_id(campaign_id, "Campaign")
    first = msgspec.json.decode(await request.query(GetCampaign(campaign_id=found)), type=CampaignView)
    if first.status != "SENT":
        raise ApiError(409, "CAMPAIGN_NOT_RESENDABLE", "Only a campaign that was sent can be sent again")
    pages = _who_did_not_open(request, found)
    first_page = await anext(pages, None)
    if first_page is None:
        raise ApiError(409, "NO_RECIPIENTS", "Everybody to whom the campaign was sent has opened it")
    made = await made_list(request, _after(first_page, pages), create_missing=False)
    audience = Audience(audience_type="SEGMENT", list_id=made)
    create = _second(first, body, audience)
    await request.execute(create, "campaign")
    send = (
        ScheduleCampaign(campaign_id=create.campaign_id, scheduled_for=body.scheduled_for, asked_at=now())
        if body.scheduled_for
        else SendCampaign(campaign_id=create.campaign_id, asked_at=now())
    )
    return RawResponse(await request.execute(send, "send"), 201)


async def _who_did_not_open(request: ApiRequest, campaign_id: UUID) -> AsyncIterator[list[str]]:
    """Page by page, without empty ones."""
    cursor: str | None = None
    while True:
        query = ListCampaignRecipients(campaign_id=campaign_id, status="not_opened", limit=PAGE, cursor=cursor)
        page = msgspec.json.decode(await request.query(query), type=CampaignRecipients)
        if emails := [each.email for each in page.data if each.email]:
            yield emails
        cursor = page.cursor
        if cursor is None:
            return


async def _after(first: list[str], rest: AsyncIterator[list[str]]) -> AsyncIterator[list[str]]:
    yield first
    async for page in rest:
        yield page


def _as_won(campaign: CampaignView) -> CampaignView:
    """The campaign saying what the winner of its A/B test says, or the first variant if there is no winner."""
    test = campaign.ab_test
    if test is None:
        return campaign
    won = next((variant for variant in test.variants if variant.key == test.winner), test.variants[0])
    return msgspec.structs.replace(
        campaign,
        subject=won.subject or campaign.subject,
        preheader=campaign.preheader if won.preheader is None else won.preheader,
        body=won.body or campaign.body,
        markdown=won.markdown if won.body else campaign.markdown,
    )


def _second(campaign: CampaignView, body: ResendBody, audience: Audience) -> CreateCampaign:
    first = _as_won(campaign)
    fields = shared_fields(first, CreateCampaign) | {
        "campaign_id": uuid7(),
        "name": first.name[: LONGEST_NAME - len(SUFFIX)] + SUFFIX,
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


ROUTES = [resend_campaign]
