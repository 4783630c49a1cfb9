"""Counts and rates of recipients as the API gives them. Pure."""

from typing import Any

from services.campaigns.runs.run import MailCounts


def outcome_fields(counts: MailCounts, unsubscribed: int) -> dict[str, Any]:
    """Return the fields that the statistics of a campaign and those of a variant share."""
    return {
        "sent_count": counts.sent,
        "failed_count": counts.failed,
        "suppressed_count": counts.suppressed,
        "cancelled_count": counts.cancelled,
        "delivered_count": counts.delivered,
        "opened_count": counts.opened,
        "clicked_count": counts.clicked,
        "total_opens": counts.opens,
        "total_clicks": counts.clicks,
        "hard_bounced_count": counts.hard_bounced,
        "soft_bounced_count": counts.soft_bounced,
        "complained_count": counts.complained,
        "unsubscribed_count": unsubscribed,
        "delivery_rate": percent(counts.delivered, counts.sent),
        "open_rate": percent(counts.opened, counts.sent),
        "click_rate": percent(counts.clicked, counts.sent),
        "complaint_rate": percent(counts.complained, counts.sent),
        "unsubscribe_rate": percent(unsubscribed, counts.sent),
    }


def percent(part: int, whole: int) -> float:
    """Return a percentage (0-100) with two decimals, 0 where the whole is 0."""
    return round(100 * part / whole, 2) if whole else 0.0
