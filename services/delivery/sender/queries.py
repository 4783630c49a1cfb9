"""The query that tells whether this installation sends at all."""

from uuid import UUID

from libs.kernel.instants import iso
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.sending import GetOutgoing, Outgoing
from services.delivery.sender.restore_guard import STATE


async def get_outgoing(conn: Connection, project: UUID, query: GetOutgoing) -> Outgoing:
    row = await conn.fetchrow(STATE)
    if row is None or row["paused_at"] is None:
        return Outgoing(paused=False)
    return Outgoing(paused=True, since=iso(row["paused_at"]), reason=row["reason"])
