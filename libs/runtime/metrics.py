"""The metrics of every service. Labels are the names of consumers and message types, never ids."""

from prometheus_client import Counter, Gauge, Histogram

COMMITS = Counter("godwit_commits_total", "Transactions committed by group commit", ["consumer"])
COMMITTED = Counter("godwit_messages_committed_total", "Messages committed, several per transaction", ["consumer"])
BATCH_RETRIES = Counter("godwit_batch_retries_total", "Failed batches that were retried one by one", ["consumer"])
FAILURES = Counter("godwit_message_failures_total", "Deliveries that failed", ["consumer", "error"])
DEAD = Counter("godwit_dead_letters_total", "Messages that were dead-lettered", ["consumer"])
PUBLISHED = Counter("godwit_events_published_total", "Events that the relay published", ["service"])
RELAY_ACTIVE = Gauge("godwit_relay_active", "1 if this process holds the relay", ["service"])
OUTBOX_AGE = Gauge("godwit_outbox_oldest_seconds", "Age of the oldest unpublished event", ["service"])
TIMERS_FIRED = Counter("godwit_timers_fired_total", "Timers that were due and were handled", ["service"])
TIMERS_FAILED = Counter("godwit_timers_failed_total", "Timers whose handler raised", ["service"])
QUERY_SECONDS = Histogram("godwit_query_seconds", "Duration of queries", ["query"])
LOOPS_CUT = Counter("godwit_causation_loops_cut_total", "Chains of reactions that were cut because they were too deep")
RATE_LIMITED = Counter(
    "godwit_rate_limited_total", "Work refused because its project has too much of it at once", ["kind"]
)
