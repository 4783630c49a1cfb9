"""Answers `qry.campaigns.>` from the read models."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.clock import now
from libs.runtime.paging import window
from libs.runtime.rejection import Rejected
from libs.runtime.store import Connection
from libs.schemas.campaigns import (
    CampaignPage,
    CampaignStats,
    CampaignUse,
    CampaignView,
    FindCampaignsOfSegment,
    GetCampaign,
    GetCampaignStats,
    GetTemplate,
    GetTemplateUsage,
    ListCampaigns,
    ListTemplates,
    ListTemplateVersions,
    TemplateCampaign,
    TemplatePage,
    TemplateVersion,
    TemplateView,
)
from services.campaigns import versions
from services.campaigns.campaign import Campaign
from services.campaigns.content import domain_of
from services.campaigns.read_models import campaign, campaign_mail, campaign_run, sender_domain, template
from services.campaigns.template import Template
from services.campaigns.views import campaign_view, stats_view, template_view, version_view


async def get_template(conn: Connection, project: UUID, query: GetTemplate) -> TemplateView:
    return template_view(query.template_id, await _template(conn, project, query.template_id), now())


async def list_templates(conn: Connection, project: UUID, query: ListTemplates) -> TemplatePage:
    page = window(query.page, query.page_size)
    search = query.search.lower() if query.search else None
    found = await template.newest(conn, project, query.kind, search, page.size, page.offset)
    total = await template.count(conn, project, query.kind, search)
    return TemplatePage(
        data=[template_view(template_id, state, now()) for template_id, state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.pages(total),
    )


async def get_template_usage(conn: Connection, project: UUID, query: GetTemplateUsage) -> list[TemplateCampaign]:
    await _template(conn, project, query.template_id)
    return await campaign.using(conn, project, query.template_id)


async def list_template_versions(conn: Connection, project: UUID, query: ListTemplateVersions) -> list[TemplateVersion]:
    await _template(conn, project, query.template_id)
    return [version_view(past) for past in await versions.history(conn, project, query.template_id)]


async def _template(conn: Connection, project: UUID, template_id: UUID) -> Template:
    found = await template.load(conn, [(project, template_id)])
    if not found:
        raise Rejected("TEMPLATE_NOT_FOUND", "Template not found")
    return found[project, template_id]


async def get_campaign(conn: Connection, project: UUID, query: GetCampaign) -> CampaignView:
    state = await _campaign(conn, project, query.campaign_id)
    [view] = await _views(conn, project, [(query.campaign_id, state)])
    return view


async def list_campaigns(conn: Connection, project: UUID, query: ListCampaigns) -> CampaignPage:
    page = window(query.page, query.page_size)
    search = query.search.lower() if query.search else None
    found = await campaign.newest(conn, project, query.status, search, page.size, page.offset)
    total = await campaign.count(conn, project, query.status, search)
    return CampaignPage(
        data=await _views(conn, project, found),
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.pages(total),
    )


async def _views(conn: Connection, project: UUID, found: Sequence[tuple[UUID, Campaign]]) -> list[CampaignView]:
    runs = await campaign_run.load(conn, project, [campaign_id for campaign_id, _ in found])
    wanted = {(project, domain_of(state.draft.content.from_email)) for _, state in found}
    verified = frozenset((await sender_domain.verified(conn, wanted)).get(project, set()))
    return [
        campaign_view(campaign_id, replace(state, verified_domains=verified), runs[campaign_id], now())
        for campaign_id, state in found
    ]


async def find_campaigns_of_segment(
    conn: Connection, project: UUID, query: FindCampaignsOfSegment
) -> list[CampaignUse]:
    return await campaign.of_segment(conn, project, query.segment_id)


async def get_campaign_stats(conn: Connection, project: UUID, query: GetCampaignStats) -> CampaignStats:
    state = await _campaign(conn, project, query.campaign_id)
    runs = await campaign_run.load(conn, project, [query.campaign_id])
    unsubscribed = await campaign_mail.unsubscribed(conn, project, query.campaign_id)
    return stats_view(state, runs[query.campaign_id], unsubscribed)


async def _campaign(conn: Connection, project: UUID, campaign_id: UUID) -> Campaign:
    found = await campaign.load(conn, [(project, campaign_id)])
    if not found:
        raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
    return found[project, campaign_id][0]
