"""Metrics of sending."""

from prometheus_client import Counter, Gauge, Summary

THROTTLED = Counter("godwit_ses_throttled_total", "Calls that SES refused as too fast or too many")
LIMITED = Counter(
    "godwit_sending_limited_total", "Times that mails which were due waited for their project's own sending limits"
)
PAUSED = Gauge("godwit_sending_paused", "1 while no mail goes out, because the database came from a backup")
RATE = Gauge("godwit_ses_rate", "Mails per second that the shared bucket allows at most")
CALL = Summary(
    "godwit_ses_call_seconds",
    "From the moment at which the rate allowed a call to SES until its answer: what is longer is missing from the rate",
)
