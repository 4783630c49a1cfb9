"""Metrics of the ledger. Gauges are read from the ledger; counters count what this process did."""

from prometheus_client import Counter, Gauge

OPEN = Gauge("godwit_emails_open", "Intents in the ledger that are not final yet, by state", ["state"])
MAILS = Gauge("godwit_emails", "Intents in the ledger by state, counted every few minutes", ["state"])
INTENTS = Gauge("godwit_email_intents", "Intents ever recorded in the log, counted together with godwit_emails")
UNACCOUNTED = Gauge(
    "godwit_emails_unaccounted", "Intents in the log minus those in the ledger: anything but 0 is a bug"
)
CHANGES = Counter("godwit_email_changes_total", "Changes of intents to this state", ["state"])
STALE = Counter("godwit_email_stale_changes_total", "Changes that came too late and had no effect")
DUPLICATES = Counter("godwit_email_duplicates_total", "Mails that SES is known to have accepted more than once")
HELD = Counter("godwit_email_resends_held_total", "Resends that were held because no notifications arrived")
