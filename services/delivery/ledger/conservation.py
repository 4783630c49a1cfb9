"""The conservation law as a metric: intents = queued + claimed + unknown + sent + failed + suppressed + cancelled.

The left side is counted in the log, the right side in the ledger, both in one snapshot. `godwit audit` shows more.
"""

from libs.runtime.eventstore.store import Connection
from services.delivery.ledger import metrics

COUNT = """
select state, count(*) as mails from email group by state
union all
select 'intents', count(*) from events where type = 'email.queued'
"""
STATES = ("queued", "claimed", "unknown", "sent", "failed", "suppressed", "cancelled")


async def count(conn: Connection) -> None:
    """Set the gauges. Call it rarely: it reads the whole ledger."""
    mails = {row["state"]: row["mails"] for row in await conn.fetch(COUNT)}
    for state in STATES:
        metrics.MAILS.labels(state).set(mails.get(state, 0))
    metrics.INTENTS.set(mails["intents"])
    metrics.UNACCOUNTED.set(mails["intents"] - sum(mails.get(state, 0) for state in STATES))
