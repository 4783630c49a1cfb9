"""The views of a campaign."""

from datetime import UTC, datetime
from uuid import uuid4

from libs.schemas.campaigns.audience import Audience
from libs.schemas.delivery.content import Content
from services.campaigns.campaigns.draft import Draft
from services.campaigns.campaigns.state import Campaign
from services.campaigns.campaigns.views import campaign_view

NOW = datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC)
CAMPAIGN = Campaign(
    draft=Draft(
        campaign_id=uuid4(),
        name="News",
        content=Content(subject="News", body="Hello", from_email="us@example.com"),
        audience=Audience(audience_type="ALL"),
    )
)


def test_a_new_campaign_shows_the_time_of_its_creation() -> None:
    view = campaign_view(CAMPAIGN, NOW)
    assert (view.created_at, view.updated_at, view.sent_at) == ("2026-11-21T12:00:00.005Z",) * 2 + (None,)
