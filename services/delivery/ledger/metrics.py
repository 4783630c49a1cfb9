"""Metrics of the ledger. Gauges are read from the ledger; counters count what this process did."""

from prometheus_client import Counter, Gauge

OPEN = Gauge("godwit_emails_open", "Intents that are not final yet, by state, from the ledger", ["state"])
MAILS = Gauge("godwit_emails", "Intents by state, from the ledger; counted every few minutes", ["state"])
INTENTS = Gauge("godwit_email_intents", "Intents that were ever recorded, from the log; counted with godwit_emails")
UNACCOUNTED = Gauge("godwit_emails_unaccounted", "Intents in the log less those in the ledger: anything but 0 is a bug")
CHANGES = Counter("godwit_email_changes_total", "Changes of an intent to this state", ["state"])
STALE = Counter("godwit_email_stale_changes_total", "Changes that came too late, and did nothing")
DUPLICATES = Counter("godwit_email_duplicates_total", "Mails that SES is known to have taken more than once")
HELD = Counter("godwit_email_resends_held_total", "Times that a resend was held because no notifications came in")
