"""Campaigns in the shape of the API."""

from datetime import datetime

from libs.kernel.instants import iso
from libs.kernel.structs import shared_fields
from libs.schemas.campaigns.campaigns import CampaignView
from services.campaigns.ab_tests.views import ab_test_view
from services.campaigns.campaigns.draft import AUDIENCE_FIELDS
from services.campaigns.campaigns.state import Campaign


def campaign_view(campaign: Campaign, now: datetime) -> CampaignView:
    """Return the view of a campaign. `now` is the time of one that is just being stored."""
    draft, run = campaign.draft, campaign.run
    audience = shared_fields(draft.audience, CampaignView) if draft.audience else dict.fromkeys(AUDIENCE_FIELDS)
    written = audience | shared_fields(draft.content, CampaignView) | shared_fields(draft, CampaignView)
    shown = {
        "id": draft.campaign_id,
        "subject": draft.content.subject or None,
        "body": draft.content.body or None,
        "from_email": draft.content.from_email or None,
        "content_editable_via_api": draft.is_plain,
        "content_overwrite_required": not draft.is_plain,
        "ab_test": ab_test_view(draft.ab_test, campaign.ab_test_progress) if draft.ab_test else None,
        "status": campaign.status,
        "readiness": campaign.readiness,
        "failure": campaign.failure,
        "total_recipients": run.recipients,
        "sent_count": run.sent,
        "delivered_count": run.delivered,
        "opened_count": run.opened,
        "clicked_count": run.clicked,
        "bounced_count": run.bounced,
        "scheduled_for": iso(campaign.scheduled_for) if campaign.scheduled_for else None,
        "sent_at": iso(campaign.sent_at) if campaign.sent_at else None,
        "created_at": iso(campaign.created_at or now),
        "updated_at": iso(campaign.updated_at or now),
    }
    return CampaignView(**(written | shown))
