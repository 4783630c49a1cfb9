"""The views of a campaign's results."""

from services.campaigns.results.views import stats_view
from services.campaigns.runs.run import Run


def test_rates_are_percentages_of_what_was_sent() -> None:
    run = Run(total=4, resolved=4, sent=3, failed=1, delivered=2, opened=1, bounced=1)
    stats = stats_view("SENT", run, 1)
    assert (stats.delivery_rate, stats.open_rate, stats.click_rate, stats.bounce_rate) == (66.67, 33.33, 0.0, 33.33)
    assert stats.unsubscribed_count == 1


def test_a_campaign_that_was_not_sent_has_no_rates() -> None:
    stats = stats_view("DRAFT", Run(), 0)
    assert (stats.total_recipients, stats.queued, stats.delivery_rate) == (0, 0, 0.0)
