"""What every service counts. Labels are names of consumers and subject patterns, never ids."""

from prometheus_client import Counter, Gauge, Histogram

COMMITS = Counter("godwit_commits_total", "Transactions committed by group commit", ["consumer"])
COMMITTED = Counter("godwit_messages_committed_total", "Messages committed, several to a transaction", ["consumer"])
BATCH_RETRIES = Counter("godwit_batch_retries_total", "Batches that failed and were run singly", ["consumer"])
FAILURES = Counter("godwit_message_failures_total", "Deliveries that ended in an error", ["consumer", "error"])
DEAD = Counter("godwit_dead_letters_total", "Messages given up and dead-lettered", ["consumer"])
PUBLISHED = Counter("godwit_events_published_total", "Events that the relay published", ["service"])
RELAY_ACTIVE = Gauge("godwit_relay_active", "1 where this process holds the relay", ["service"])
OUTBOX_AGE = Gauge("godwit_outbox_oldest_seconds", "Age of the oldest event not yet published", ["service"])
TIMERS_FIRED = Counter("godwit_timers_fired_total", "Timers that fell due and were handled", ["service"])
TIMERS_FAILED = Counter("godwit_timers_failed_total", "Timers whose handler raised", ["service"])
QUERY_SECONDS = Histogram("godwit_query_seconds", "Time to answer a query", ["query"])
LOOPS_CUT = Counter("godwit_causation_loops_cut_total", "Chains of causes that were cut because they were too deep")
