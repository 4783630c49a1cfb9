"""Commands that were accepted but not answered in time, kept so that their answers can be asked for later."""

from uuid import UUID

import asyncpg
import msgspec

from services.gateway.bus.order import Order

TIMEOUT = 5.0
KEPT_HOURS = 24

KEEP = """
insert into unanswered (project, command_id, subject, headers, body)
values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
FIND = "select subject, headers, body from unanswered where project = $1 and command_id = $2"
FORGET = "delete from unanswered where asked_at < clock_timestamp() - make_interval(hours => $1)"


async def keep(pool: "asyncpg.Pool[asyncpg.Record]", order: Order) -> None:
    headers = msgspec.json.encode(order.headers).decode()
    await pool.execute(KEEP, order.project, order.id, order.subject, headers, order.body, timeout=TIMEOUT)


async def find(pool: "asyncpg.Pool[asyncpg.Record]", project: UUID, command_id: UUID) -> Order | None:
    """The project's command, if it was left unanswered within the last day."""
    row = await pool.fetchrow(FIND, project, command_id, timeout=TIMEOUT)
    if row is None:
        return None
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    return Order(id=command_id, project=project, subject=row["subject"], body=row["body"], headers=headers)


async def forget(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await pool.execute(FORGET, KEPT_HOURS, timeout=TIMEOUT)
