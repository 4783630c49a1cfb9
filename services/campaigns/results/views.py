"""The results of campaigns in the shapes of the API."""

from collections.abc import Mapping
from math import ceil

import asyncpg

from libs.kernel.instants import iso
from libs.schemas.campaigns.campaigns import CampaignStatus
from libs.schemas.campaigns.results import CampaignHour, CampaignProgress, CampaignRecipient, CampaignStats, LinkClicks
from services.campaigns.campaigns.state import Campaign
from services.campaigns.results.outcomes import outcome_fields, percent
from services.campaigns.results.read_models.campaign_click import ClickedLink
from services.campaigns.runs.run import Run

NO_REASONS: Mapping[str, int] = {}
RECIPIENT_TIMES = (
    "sent_at",
    "delivered_at",
    "opened_at",
    "clicked_at",
    "bounced_at",
    "soft_bounced_at",
    "complained_at",
)


def stats_view(
    status: CampaignStatus, run: Run, unsubscribed: int, unknown: int = 0, reasons: Mapping[str, int] = NO_REASONS
) -> CampaignStats:
    return CampaignStats(
        status=status,
        total_recipients=run.recipients,
        resolved=run.resolved,
        queued=run.queued,
        suppressed_by_reason=dict(reasons),
        unknown_count=unknown,
        bounced_count=run.bounced,
        bounce_rate=percent(run.bounced, run.sent),
        **outcome_fields(run, unsubscribed),
    )


def progress_view(campaign: Campaign, run: Run, unknown: int) -> CampaignProgress:
    rate, test = run.rate, campaign.ab_test_progress
    undecided = test is not None and test.winner is None
    decide_at = test.decide_at if test and undecided else None
    return CampaignProgress(
        status=campaign.status,
        audience_known=run.total is not None,
        total_recipients=run.recipients,
        resolved=run.resolved,
        queued=run.queued,
        sent=run.sent,
        failed=run.failed,
        suppressed=run.suppressed,
        cancelled=run.cancelled,
        unknown=unknown,
        rate=round(rate, 1) if rate else None,
        eta_seconds=ceil(run.queued / rate) if rate and campaign.status == "SENDING" and not undecided else None,
        decide_at=iso(decide_at) if decide_at else None,
    )


def recipient_view(row: asyncpg.Record) -> CampaignRecipient:
    times = {name: iso(row[name]) if row[name] else None for name in RECIPIENT_TIMES}
    return CampaignRecipient(**(dict(row) | times))


def link_view(link: ClickedLink) -> LinkClicks:
    return LinkClicks(
        link=link.link,
        clicks=link.clicks,
        unique_clicks=link.unique_clicks,
        first_clicked_at=iso(link.first_at),
        last_clicked_at=iso(link.last_at),
    )


def hour_view(row: asyncpg.Record) -> CampaignHour:
    return CampaignHour(**(dict(row) | {"hour": iso(row["hour"])}))
