"""What delivery counts. A gauge holds what is open, from the ledger; counters what this process did."""

from prometheus_client import Counter, Gauge, Summary

OPEN = Gauge("godwit_emails_open", "Intents that are not final yet, by state, from the ledger", ["state"])
MAILS = Gauge("godwit_emails", "Intents by state, from the ledger; counted every few minutes", ["state"])
INTENTS = Gauge("godwit_email_intents", "Intents that were ever recorded, from the log; counted with godwit_emails")
UNACCOUNTED = Gauge("godwit_emails_unaccounted", "Intents in the log less those in the ledger: anything but 0 is a bug")
CHANGES = Counter("godwit_email_changes_total", "Changes of an intent to this state", ["state"])
STALE = Counter("godwit_email_stale_changes_total", "Changes that came too late, and did nothing")
DUPLICATES = Counter("godwit_email_duplicates_total", "Mails that SES is known to have taken more than once")
HELD = Counter("godwit_email_resends_held_total", "Times that a resend was held because no notifications came in")
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
