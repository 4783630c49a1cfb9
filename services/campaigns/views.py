"""Templates, campaigns and runs in the shapes of the API."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from libs.runtime.clock import iso
from libs.runtime.liquid import variables_in
from libs.schemas.campaigns import CampaignStats, CampaignView, TemplateVersion, TemplateView
from services.campaigns.campaign import Campaign
from services.campaigns.read_models.campaign_run import Run
from services.campaigns.template import Template
from services.campaigns.versions import Past


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


def stats_view(campaign: Campaign, run: Run, unsubscribed: int) -> CampaignStats:
    return CampaignStats(
        status=campaign.status,
        total_recipients=run.recipients,
        resolved=run.resolved,
        queued=run.queued,
        sent_count=run.sent,
        failed_count=run.failed,
        suppressed_count=run.suppressed,
        cancelled_count=run.cancelled,
        delivered_count=run.delivered,
        opened_count=run.opened,
        clicked_count=run.clicked,
        bounced_count=run.bounced,
        complained_count=run.complained,
        unsubscribed_count=unsubscribed,
        delivery_rate=_percent(run.delivered, run.sent),
        open_rate=_percent(run.opened, run.sent),
        click_rate=_percent(run.clicked, run.sent),
        bounce_rate=_percent(run.bounced, run.sent),
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
