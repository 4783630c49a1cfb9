"""Campaigns."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from libs.runtime.clock import uuid7
from libs.schemas.campaigns import (
    Audience,
    AudienceType,
    CampaignPage,
    CampaignStats,
    CampaignStatus,
    CampaignView,
    CreateCampaign,
    GetCampaign,
    GetCampaignStats,
    ListCampaigns,
    SendCampaign,
)
from libs.schemas.contacts import Condition
from services.gateway.answers import Answer, returns, shows
from services.gateway.call import Call
from services.gateway.fields import PageNumber, PageSize, id_of
from services.gateway.json_body import Body
from services.gateway.problems import invalid_field
from services.gateway.routes.content import MAX_BYTES, ContentBody

TAGS = ["Campaigns"]


class CampaignBody(ContentBody, frozen=True, kw_only=True):
    audience_type: AudienceType
    segment_id: UUID | None = None
    audience_condition: Condition | None = None

    def audience(self) -> Audience:
        return Audience(
            audience_type=self.audience_type,
            segment_id=self.segment_id,
            audience_condition=self.audience_condition,
        )


class SendCampaignBody(Body, frozen=True, kw_only=True):
    scheduled_for: str | None = None


@get("/campaigns", responses=shows(CampaignPage), tags=TAGS)
async def list_campaigns(
    request: Call,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    status: Annotated[CampaignStatus | None, QueryParameter(description="Only campaigns in this state")] = None,
) -> Answer:
    """List campaigns

    Newest first.
    """
    return Answer(await request.query(ListCampaigns(page=page, page_size=page_size, status=status)))


@post("/campaigns", responses=returns(CampaignView, 201), tags=TAGS, request_max_body_size=MAX_BYTES)
async def create_campaign(data: JSONBody[CampaignBody], request: Call) -> Answer:
    """Create a campaign

    It starts as a DRAFT. The audience is everyone who is subscribed (`ALL`), a segment, or whoever meets a condition
    (`FILTERED`).
    """
    command = CreateCampaign(
        campaign_id=uuid7(),
        name=data.name,
        content=data.content(),
        audience=data.audience(),
        description=data.description,
    )
    return Answer(await request.ask(command), 201)


@get("/campaigns/{campaign_id:str}", responses=shows(CampaignView), tags=TAGS)
async def get_campaign(campaign_id: FromPath[str], request: Call) -> Answer:
    """Get a campaign"""
    return Answer(await request.query(GetCampaign(campaign_id=id_of(campaign_id, "Campaign"))))


@post("/campaigns/{campaign_id:str}/send", status_code=200, responses=returns(CampaignView, 200), tags=TAGS)
async def send_campaign(
    campaign_id: FromPath[str], request: Call, data: JSONBody[SendCampaignBody | None] = None
) -> Answer:
    """Send a campaign

    Freezes its content and starts sending now.
    """
    if data and data.scheduled_for:
        raise invalid_field("scheduledFor", "Scheduling is not supported yet", "unsupported")
    return Answer(await request.ask(SendCampaign(campaign_id=id_of(campaign_id, "Campaign"))))


@get("/campaigns/{campaign_id:str}/stats", responses=shows(CampaignStats), tags=TAGS)
async def get_campaign_stats(campaign_id: FromPath[str], request: Call) -> Answer:
    """Get a campaign's statistics

    Rates are percentages of the mails that were sent.
    """
    return Answer(await request.query(GetCampaignStats(campaign_id=id_of(campaign_id, "Campaign"))))


ROUTES = [list_campaigns, create_campaign, get_campaign, send_campaign, get_campaign_stats]
