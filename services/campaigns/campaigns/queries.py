"""Queries for campaigns."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec.structs import replace

from libs.kernel.paging import numbered_page
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.campaigns.campaigns import (
    CampaignPage,
    CampaignUse,
    CampaignView,
    FindCampaignsOfSegment,
    GetCampaign,
    GetCampaignContent,
    ListCampaigns,
)
from libs.schemas.delivery.content import Content
from services.campaigns.campaigns.read_models import campaign
from services.campaigns.campaigns.state import Campaign
from services.campaigns.campaigns.views import campaign_view
from services.campaigns.content.read_models import sender_domain
from services.campaigns.content.rules import domain_of
from services.campaigns.runs.read_models import campaign_run


async def load_campaign(conn: Connection, project: UUID, campaign_id: UUID) -> Campaign:
    """Return the campaign as it is stored. Raise Rejected if there is none."""
    found = await campaign.load(conn, [(project, campaign_id)])
    if not found:
        raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
    return found[project, campaign_id][0]


async def get_campaign(conn: Connection, project: UUID, query: GetCampaign) -> CampaignView:
    state = await load_campaign(conn, project, query.campaign_id)
    [view] = await _views(conn, project, [state])
    return view


async def list_campaigns(conn: Connection, project: UUID, query: ListCampaigns) -> CampaignPage:
    page = numbered_page(query.page, query.page_size)
    search = query.search.lower() if query.search else None
    found = await campaign.newest(conn, project, query.status, search, page.size, page.offset)
    total = await campaign.count(conn, project, query.status, search)
    return CampaignPage(
        data=await _views(conn, project, found),
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(total),
    )


async def find_campaigns_of_segment(
    conn: Connection, project: UUID, query: FindCampaignsOfSegment
) -> list[CampaignUse]:
    return await campaign.of_segment(conn, project, query.segment_id)


async def get_campaign_content(conn: Connection, project: UUID, query: GetCampaignContent) -> Content:
    state = await load_campaign(conn, project, query.campaign_id)
    [ready] = await _with_domains(conn, project, [state])
    missing = [each for each in ready.readiness.missing if each != "audience"]
    if missing:
        raise Rejected("CAMPAIGN_NOT_TESTABLE", "The campaign is not ready to be tested", details={"missing": missing})
    return state.draft.mail_of(query.variant)


async def _views(conn: Connection, project: UUID, found: Sequence[Campaign]) -> list[CampaignView]:
    runs = await campaign_run.load(conn, [(project, state.draft.campaign_id) for state in found])
    ready = await _with_domains(conn, project, found)
    return [campaign_view(replace(state, run=runs[project, state.draft.campaign_id]), now()) for state in ready]


async def _with_domains(conn: Connection, project: UUID, states: Sequence[Campaign]) -> list[Campaign]:
    """Return the campaigns with the verified ones among their senders' domains."""
    domains = {(project, domain_of(state.draft.content.from_email)) for state in states}
    verified = frozenset((await sender_domain.verified(conn, domains)).get(project, set()))
    return [replace(state, verified_domains=verified) for state in states]


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetCampaign: get_campaign,
    ListCampaigns: list_campaigns,
    FindCampaignsOfSegment: find_campaigns_of_segment,
    GetCampaignContent: get_campaign_content,
}
