"""Queries for what came of a campaign."""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.cursors import invalid_cursor
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.campaigns.ab_tests import AbTestResults
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
from services.campaigns.ab_tests.read_models import campaign_experiment
from services.campaigns.campaigns.queries import load_campaign
from services.campaigns.results.ab_test_views import results_view
from services.campaigns.results.read_models import campaign_click, campaign_hour, campaign_mail, campaign_recipient
from services.campaigns.results.read_models.campaign_recipient import RecipientFilter
from services.campaigns.results.views import hour_view, link_view, progress_view, recipient_view, stats_view
from services.campaigns.runs.read_models import campaign_run

MAX_RECIPIENTS = 1000


async def get_campaign_stats(conn: Connection, project: UUID, query: GetCampaignStats) -> CampaignStats:
    state = await load_campaign(conn, project, query.campaign_id)
    return stats_view(
        state.status,
        await campaign_run.get(conn, project, query.campaign_id),
        await campaign_mail.unsubscribed(conn, project, query.campaign_id),
        await campaign_recipient.unknown(conn, project, query.campaign_id),
        await campaign_run.suppressed_by_reason(conn, project, query.campaign_id),
    )


async def get_campaign_progress(conn: Connection, project: UUID, query: GetCampaignProgress) -> CampaignProgress:
    state = await load_campaign(conn, project, query.campaign_id)
    run = await campaign_run.get(conn, project, query.campaign_id)
    unknown = await campaign_recipient.unknown(conn, project, query.campaign_id)
    return progress_view(state, run, unknown)


async def list_campaign_recipients(
    conn: Connection, project: UUID, query: ListCampaignRecipients
) -> CampaignRecipients:
    state = await load_campaign(conn, project, query.campaign_id)
    limit = min(max(query.limit, 1), MAX_RECIPIENTS)
    after = _decode_cursor(query.cursor) if query.cursor else campaign_recipient.START
    winner = state.ab_test_progress.winner if state.ab_test_progress else None
    matching = RecipientFilter(status=query.status, variant=query.variant, winner=winner)
    rows = await campaign_recipient.page(conn, project, query.campaign_id, after, matching, limit + 1)
    shown, has_more = rows[:limit], len(rows) > limit
    run = await campaign_run.get(conn, project, query.campaign_id)
    return CampaignRecipients(
        data=[recipient_view(row) for row in shown],
        cursor=str(shown[-1]["contact_id"]) if has_more else None,
        has_more=has_more,
        total=0 if query.cursor else run.recipients,
    )


async def list_link_clicks(conn: Connection, project: UUID, query: ListLinkClicks) -> list[LinkClicks]:
    await load_campaign(conn, project, query.campaign_id)
    return [link_view(link) for link in await campaign_click.links(conn, project, query.campaign_id)]


async def get_campaign_timeline(conn: Connection, project: UUID, query: GetCampaignTimeline) -> list[CampaignHour]:
    await load_campaign(conn, project, query.campaign_id)
    return [hour_view(row) for row in await campaign_hour.hours(conn, project, query.campaign_id)]


async def get_ab_test_results(conn: Connection, project: UUID, query: GetAbTestResults) -> AbTestResults:
    state = await load_campaign(conn, project, query.campaign_id)
    if state.draft.tested is None:
        raise Rejected("AB_TEST_NOT_FOUND", "The campaign has no A/B test")
    return results_view(
        state.draft.tested,
        state.ab_test_progress,
        await campaign_experiment.counts_by_variant(conn, project, query.campaign_id),
        await campaign_mail.unsubscribed_by_variant(conn, project, query.campaign_id),
    )


def _decode_cursor(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError:
        raise invalid_cursor() from None


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetCampaignStats: get_campaign_stats,
    GetCampaignProgress: get_campaign_progress,
    ListCampaignRecipients: list_campaign_recipients,
    ListLinkClicks: list_link_clicks,
    GetCampaignTimeline: get_campaign_timeline,
    GetAbTestResults: get_ab_test_results,
}
