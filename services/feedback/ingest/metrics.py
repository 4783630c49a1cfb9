"""Metrics of ingest. The kinds are those of SES that we know, and `other`."""

from prometheus_client import Counter, Gauge

KINDS = frozenset(
    ("send", "delivery", "open", "click", "bounce", "complaint", "deliverydelay", "reject", "renderingfailure")
)

NOTIFICATIONS = Counter(
    "godwit_feedback_notifications_total",
    "Notifications by outcome: folded into what is known of a mail; repeated, so dropped; foreign: not about a mail of "
    "ours, so only archived; unreadable, so retried and dead-lettered; contradictory, so only archived",
    ["kind", "outcome"],
)
QUEUE_MESSAGES = Counter(
    "godwit_feedback_queue_messages_total",
    "Messages of the SQS queue by outcome: taken: stored and deleted; foreign: of a topic that is not on the list, so "
    "left in the queue. Failed counts receives and commits that failed, after which messages come again",
    ["outcome"],
)
LAST_NOTIFICATION = Gauge(
    "godwit_feedback_last_notification_timestamp_seconds",
    "When the latest notification about a mail of ours was handled; silence while mail is sent means a broken feed",
)


def count(kind: str, outcome: str, times: int = 1) -> None:
    NOTIFICATIONS.labels(kind if kind in KINDS else "other", outcome).inc(times)
