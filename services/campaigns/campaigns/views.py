"""Campaigns in the shape of the API."""

from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.schemas.campaigns.campaigns import CampaignView
from services.campaigns.ab_tests.views import ab_test_view
from services.campaigns.campaigns.campaign import Campaign


def campaign_view(campaign_id: UUID, campaign: Campaign, now: datetime) -> CampaignView:
    """Return the view of a campaign. `now` is the time of one that is just being stored."""
    draft, content, audience, run = campaign.draft, campaign.draft.content, campaign.draft.audience, campaign.run
    return CampaignView(
        id=campaign_id,
        name=draft.name,
        description=draft.description,
        status=campaign.status,
        subject=content.subject or None,
        preheader=draft.preheader,
        body=content.body or None,
        content=draft.markdown,
        content_editable_via_api=draft.is_plain,
        content_overwrite_required=not draft.is_plain,
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
        ab_test=ab_test_view(draft.ab_test, campaign.ab_test_progress) if draft.ab_test else None,
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
