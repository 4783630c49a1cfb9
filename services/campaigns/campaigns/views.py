"""Templates, campaigns and runs in the shapes of the API."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from math import ceil
from typing import Any
from uuid import UUID

import asyncpg

from libs.kernel.instants import iso
from libs.kernel.liquid import variables_in
from libs.schemas.campaigns.campaigns import CampaignView
from libs.schemas.campaigns.results import (
    CampaignHour,
    CampaignProgress,
    CampaignRecipient,
    CampaignStats,
    LinkClicks,
)
from libs.schemas.campaigns.templates import TemplateVersion, TemplateView
from services.campaigns.campaigns.campaign import Campaign
from services.campaigns.results.ab_test_views import ab_test_view
from services.campaigns.results.rates import percent
from services.campaigns.results.read_models.campaign_click import Link
from services.campaigns.runs.read_models.campaign_run import Run
from services.campaigns.templates.template import Template
from services.campaigns.templates.versions import Past

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


def template_view(template_id: UUID, template: Template, now: datetime) -> TemplateView:
    """`now` stands for the times of a template that is just being stored."""
    said, content = template.said, template.said.content
    return TemplateView(
        id=template_id,
        name=said.name,
        description=said.description,
        subject=content.subject,
        body=content.body,
        from_=content.from_email,
        from_name=content.from_name,
        reply_to=content.reply_to,
        type_=content.kind,
        variables=sorted({*_variables(content.subject), *_variables(content.body)}),
        version=template.version,
        created_at=iso(template.created_at or now),
        updated_at=iso(template.updated_at or now),
    )


@lru_cache(maxsize=256)
def _variables(text: str) -> list[str]:
    return variables_in(text)


def version_view(past: Past) -> TemplateVersion:
    said, content = past.said, past.said.content
    return TemplateVersion(
        version=past.version,
        name=said.name,
        description=said.description,
        subject=content.subject,
        body=content.body,
        from_=content.from_email,
        from_name=content.from_name,
        reply_to=content.reply_to,
        type_=content.kind,
        restored=past.restored,
        created_at=iso(past.at),
    )


def campaign_view(campaign_id: UUID, campaign: Campaign, run: Run, now: datetime) -> CampaignView:
    """`now` stands for the times of a campaign that is just being stored."""
    draft, content, audience = campaign.draft, campaign.draft.content, campaign.draft.audience
    return CampaignView(
        id=campaign_id,
        name=draft.name,
        description=draft.description,
        status=campaign.status,
        subject=content.subject or None,
        preheader=draft.preheader,
        body=content.body or None,
        content=draft.markdown,
        content_editable_via_api=draft.plain,
        content_overwrite_required=not draft.plain,
        from_=content.from_email or None,
        from_name=content.from_name,
        reply_to=content.reply_to,
        type_=content.kind,
        language=draft.language,
        template_id=draft.template_id,
        audience_type=audience.audience_type if audience else None,
        segment_id=audience.segment_id if audience else None,
        list_id=audience.list_id if audience else None,
        audience_condition=audience.audience_condition if audience else None,
        send_rate=draft.send_rate,
        send_window=draft.send_window,
        unknown_policy=draft.unknown_policy,
        ab_test=ab_test_view(draft, campaign.experiment),
        utm=content.utm,
        total_recipients=run.recipients,
        sent_count=run.sent,
        delivered_count=run.delivered,
        opened_count=run.opened,
        clicked_count=run.clicked,
        bounced_count=run.bounced,
        readiness=campaign.readiness,
        failure=campaign.failure,
        scheduled_for=iso(campaign.scheduled_for) if campaign.scheduled_for else None,
        sent_at=iso(campaign.sent_at) if campaign.sent_at else None,
        created_at=iso(campaign.created_at or now),
        updated_at=iso(campaign.updated_at or now),
    )


def stats_view(
    campaign: Campaign, run: Run, unsubscribed: int, unknown: int = 0, reasons: Mapping[str, int] = NO_REASONS
) -> CampaignStats:
    return CampaignStats(
        status=campaign.status,
        total_recipients=run.recipients,
        resolved=run.resolved,
        queued=run.queued,
        sent_count=run.sent,
        failed_count=run.failed,
        suppressed_count=run.suppressed,
        suppressed_by_reason=dict(reasons),
        cancelled_count=run.cancelled,
        unknown_count=unknown,
        delivered_count=run.delivered,
        opened_count=run.opened,
        clicked_count=run.clicked,
        total_opens=run.opens,
        total_clicks=run.clicks,
        bounced_count=run.bounced,
        hard_bounced_count=run.hard_bounced,
        soft_bounced_count=run.soft_bounced,
        complained_count=run.complained,
        unsubscribed_count=unsubscribed,
        delivery_rate=percent(run.delivered, run.sent),
        open_rate=percent(run.opened, run.sent),
        click_rate=percent(run.clicked, run.sent),
        bounce_rate=percent(run.bounced, run.sent),
        complaint_rate=percent(run.complained, run.sent),
        unsubscribe_rate=percent(unsubscribed, run.sent),
    )


def progress_view(campaign: Campaign, run: Run, unknown: int) -> CampaignProgress:
    rate, test = run.rate, campaign.experiment
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
    return CampaignRecipient(
        contact_id=row["contact_id"],
        email=row["email"],
        email_id=row["email_id"],
        status=row["state"],
        reason=row["reason"],
        unsubscribed=row["unsubscribed"],
        opens=row["opens"],
        clicks=row["clicks"],
        variant=row["variant"],
        in_test=row["in_test"],
        **_times(row),
    )


def _times(row: asyncpg.Record) -> dict[str, Any]:
    return {name: iso(row[name]) if row[name] else None for name in RECIPIENT_TIMES}


def link_view(link: Link) -> LinkClicks:
    return LinkClicks(
        link=link.link,
        clicks=link.clicks,
        unique_clicks=link.unique_clicks,
        first_clicked_at=iso(link.first_at),
        last_clicked_at=iso(link.last_at),
    )


def hour_view(row: asyncpg.Record) -> CampaignHour:
    return CampaignHour(**(dict(row) | {"hour": iso(row["hour"])}))
