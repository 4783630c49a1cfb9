"""Metrics of sending."""

from prometheus_client import Counter, Gauge, Summary

THROTTLED = Counter("godwit_ses_throttled_total", "Calls that SES throttled because of the rate or the daily quota")
LIMITED = Counter("godwit_sending_limited_total", "Times that due mails waited for their project's sending limits")
PAUSED = Gauge("godwit_sending_paused", "1 while no mail is sent because the database came from a backup")
RATE = Gauge("godwit_ses_rate", "The maximum rate of all replicas together in mails per second")
CALL = Summary(
    "godwit_ses_call_seconds",
    "Seconds from when the rate allowed a call to SES until its response; delays reduce the achieved rate",
)
