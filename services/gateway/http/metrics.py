"""What the gateway counts besides what every service counts. Labels are the routes' patterns, never ids."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "godwit_http_request_seconds",
    "Time to answer a request; its count is the number of requests",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
NOTIFICATIONS = Counter("godwit_notifications_taken_total", "Notifications of SES that were stored on the bus")
SMTP_SESSIONS = Gauge("godwit_smtp_sessions", "Connections of SMTP clients")
SMTP_MESSAGES = Counter("godwit_smtp_messages_total", "Messages that SMTP clients handed in, by our answer", ["reply"])
