"""The notification watermark as it is stored: one row of the table `heard`."""

from datetime import datetime

from libs.runtime.eventstore.store import Connection
from services.delivery.ledger.email import NotificationWatermark

ADVANCE = """
update heard set at = greatest(at, least($1, clock_timestamp())),
    late_at = case when $2 then clock_timestamp() else late_at end
where at is null or at < $1 or $2
"""
READ = "select at, late_at from heard"


async def advance(conn: Connection, at: datetime, late: bool) -> None:
    """Record that notifications arrived, the latest of an event at this time, and whether any was late."""
    await conn.execute(ADVANCE, at, late)


async def read(conn: Connection) -> NotificationWatermark:
    [row] = await conn.fetch(READ)
    return NotificationWatermark(row["at"], row["late_at"])
