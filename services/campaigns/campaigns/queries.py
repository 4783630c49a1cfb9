"""Answers `qry.campaigns.>` from the read models."""

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from libs.kernel.cursors import invalid_cursor
from libs.kernel.paging import numbered_page
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.ab_tests import AbTestResults
from libs.schemas.campaigns.campaigns import (
    CampaignPage,
    CampaignUse,
    CampaignView,
    FindCampaignsOfSegment,
    GetCampaign,
    GetCampaignContent,
    ListCampaigns,
)
from libs.schemas.campaigns.results import (
    CampaignHour,
    CampaignProgress,
    CampaignRecipients,
    CampaignStats,
    GetAbTestResults,
    GetCampaignProgress,
    GetCampaignStats,
    GetCampaignTimeline,
    LinkClicks,
    ListCampaignRecipients,
    ListLinkClicks,
)
from libs.schemas.campaigns.templates import (
    GetTemplate,
    GetTemplateUsage,
    ListTemplates,
    ListTemplateVersions,
    TemplateCampaign,
    TemplatePage,
    TemplateVersion,
    TemplateView,
)
from libs.schemas.delivery.content import Content
from services.campaigns.ab_tests.read_models import campaign_experiment
from services.campaigns.campaigns.campaign import Campaign
from services.campaigns.campaigns.read_models import campaign
from services.campaigns.campaigns.views import (
    campaign_view,
    hour_view,
    link_view,
    progress_view,
    recipient_view,
    stats_view,
    template_view,
    version_view,
)
from services.campaigns.content.read_models import sender_domain
from services.campaigns.content.rules import domain_of
from services.campaigns.results.ab_test_views import results_view
from services.campaigns.results.read_models import (
    campaign_click,
    campaign_hour,
    campaign_mail,
    campaign_recipient,
)
from services.campaigns.results.read_models.campaign_recipient import Wanted
from services.campaigns.runs.read_models import campaign_run
from services.campaigns.templates import versions
from services.campaigns.templates.read_models import template
from services.campaigns.templates.template import Template

MAX_RECIPIENTS = 1000


async def get_template(conn: Connection, project: UUID, query: GetTemplate) -> TemplateView:
    return template_view(query.template_id, await _template(conn, project, query.template_id), now())


async def list_templates(conn: Connection, project: UUID, query: ListTemplates) -> TemplatePage:
    page = numbered_page(query.page, query.page_size)
    search = query.search.lower() if query.search else None
    found = await template.newest(conn, project, query.kind, search, page.size, page.offset)
    total = await template.count(conn, project, query.kind, search)
    return TemplatePage(
        data=[template_view(template_id, state, now()) for template_id, state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(total),
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


async def _views(conn: Connection, project: UUID, found: Sequence[tuple[UUID, Campaign]]) -> list[CampaignView]:
    runs = await campaign_run.load(conn, project, [campaign_id for campaign_id, _ in found])
    states = await _with_domains(conn, project, [state for _, state in found])
    return [
        campaign_view(campaign_id, state, runs[campaign_id], now())
        for (campaign_id, _), state in zip(found, states, strict=True)
    ]


async def find_campaigns_of_segment(
    conn: Connection, project: UUID, query: FindCampaignsOfSegment
) -> list[CampaignUse]:
    return await campaign.of_segment(conn, project, query.segment_id)


async def _with_domains(conn: Connection, project: UUID, states: Sequence[Campaign]) -> list[Campaign]:
    """The campaigns, knowing which of their senders' domains are verified."""
    wanted = {(project, domain_of(state.draft.content.from_email)) for state in states}
    verified = frozenset((await sender_domain.verified(conn, wanted)).get(project, set()))
    return [replace(state, verified_domains=verified) for state in states]


async def get_campaign_stats(conn: Connection, project: UUID, query: GetCampaignStats) -> CampaignStats:
    state = await _campaign(conn, project, query.campaign_id)
    runs = await campaign_run.load(conn, project, [query.campaign_id])
    return stats_view(
        state,
        runs[query.campaign_id],
        await campaign_mail.unsubscribed(conn, project, query.campaign_id),
        await campaign_recipient.unknown(conn, project, query.campaign_id),
        await campaign_run.suppressed_by_reason(conn, project, query.campaign_id),
    )


async def get_campaign_content(conn: Connection, project: UUID, query: GetCampaignContent) -> Content:
    state = await _campaign(conn, project, query.campaign_id)
    [ready] = await _with_domains(conn, project, [state])
    missing = [each for each in ready.readiness.missing if each != "audience"]
    if missing:
        raise Rejected("CAMPAIGN_NOT_TESTABLE", "The campaign is not ready to be tested", details={"missing": missing})
    return state.draft.mail_of(query.variant)


async def get_campaign_progress(conn: Connection, project: UUID, query: GetCampaignProgress) -> CampaignProgress:
    state = await _campaign(conn, project, query.campaign_id)
    runs = await campaign_run.load(conn, project, [query.campaign_id])
    unknown = await campaign_recipient.unknown(conn, project, query.campaign_id)
    return progress_view(state, runs[query.campaign_id], unknown)


async def list_campaign_recipients(
    conn: Connection, project: UUID, query: ListCampaignRecipients
) -> CampaignRecipients:
    state = await _campaign(conn, project, query.campaign_id)
    limit = min(max(query.limit, 1), MAX_RECIPIENTS)
    after = _place_of(query.cursor) if query.cursor else campaign_recipient.BEFORE_ALL
    wanted = Wanted(
        status=query.status, variant=query.variant, winner=state.experiment.winner if state.experiment else None
    )
    rows = await campaign_recipient.page(conn, project, query.campaign_id, after, wanted, limit + 1)
    shown, more = rows[:limit], len(rows) > limit
    runs = await campaign_run.load(conn, project, [query.campaign_id])
    return CampaignRecipients(
        data=[recipient_view(row) for row in shown],
        cursor=str(shown[-1]["contact_id"]) if more else None,
        has_more=more,
        total=0 if query.cursor else runs[query.campaign_id].recipients,
    )


async def list_link_clicks(conn: Connection, project: UUID, query: ListLinkClicks) -> list[LinkClicks]:
    await _campaign(conn, project, query.campaign_id)
    return [link_view(link) for link in await campaign_click.links(conn, project, query.campaign_id)]


async def get_campaign_timeline(conn: Connection, project: UUID, query: GetCampaignTimeline) -> list[CampaignHour]:
    await _campaign(conn, project, query.campaign_id)
    return [hour_view(row) for row in await campaign_hour.hours(conn, project, query.campaign_id)]


async def get_ab_test_results(conn: Connection, project: UUID, query: GetAbTestResults) -> AbTestResults:
    state = await _campaign(conn, project, query.campaign_id)
    if state.draft.ab_test is None:
        raise Rejected("AB_TEST_NOT_FOUND", "The campaign has no A/B test")
    return results_view(
        state.draft,
        state.experiment,
        await campaign_experiment.counts_of(conn, project, query.campaign_id),
        await campaign_mail.unsubscribed_of(conn, project, query.campaign_id),
    )


def _place_of(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError:
        raise invalid_cursor() from None


async def _campaign(conn: Connection, project: UUID, campaign_id: UUID) -> Campaign:
    found = await campaign.load(conn, [(project, campaign_id)])
    if not found:
        raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
    return found[project, campaign_id][0]
