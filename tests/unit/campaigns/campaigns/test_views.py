"""What the API shows of a campaign and its run."""

from datetime import UTC, datetime
from uuid import uuid4

from libs.schemas.campaigns.audience import Audience
from libs.schemas.delivery.content import Content
from services.campaigns.campaigns.draft import Draft
from services.campaigns.campaigns.state import Campaign
from services.campaigns.campaigns.views import campaign_view
from services.campaigns.results.views import stats_view
from services.campaigns.runs.run import Run

NOW = datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC)
CAMPAIGN = Campaign(
    draft=Draft(
        campaign_id=uuid4(),
        name="News",
        content=Content(subject="News", body="Hello", from_email="us@example.com"),
        audience=Audience(audience_type="ALL"),
    )
)


def test_rates_are_percentages_of_what_was_sent() -> None:
    stats = stats_view(CAMPAIGN.status, Run(total=4, resolved=4, sent=3, failed=1, delivered=2, opened=1, bounced=1), 1)
    assert (stats.delivery_rate, stats.open_rate, stats.click_rate, stats.bounce_rate) == (66.67, 33.33, 0.0, 33.33)
    assert stats.unsubscribed_count == 1


def test_a_campaign_that_was_not_sent_has_no_rates() -> None:
    stats = stats_view(CAMPAIGN.status, Run(), 0)
    assert (stats.total_recipients, stats.queued, stats.delivery_rate) == (0, 0, 0.0)


def test_queued_are_the_resolved_without_an_outcome() -> None:
    assert Run(resolved=10, sent=3, failed=1, suppressed=2, cancelled=1).queued == 3


def test_an_outcome_that_comes_before_its_page_leaves_nobody_queued() -> None:
    assert Run(resolved=0, sent=2).queued == 0


def test_recipients_are_those_resolved_so_far_until_all_are() -> None:
    assert Run(resolved=1000).recipients == 1000
    assert Run(resolved=1000, total=1500).recipients == 1500


def test_a_new_campaign_shows_the_time_of_its_creation() -> None:
    view = campaign_view(CAMPAIGN, NOW)
    assert (view.created_at, view.updated_at, view.sent_at) == ("2026-11-21T12:00:00.005Z",) * 2 + (None,)
