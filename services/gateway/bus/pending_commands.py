"""Commands that were accepted but not answered in time, stored so that their results can be fetched later."""

from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.messaging.publisher import Outgoing

TIMEOUT = 5.0
KEPT_HOURS = 24

STORE = """
insert into unanswered (project, command_id, subject, headers, body)
values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
FIND = "select subject, headers, body from unanswered where project = $1 and command_id = $2"
DELETE_EXPIRED = "delete from unanswered where asked_at < clock_timestamp() - make_interval(hours => $1)"


async def store(pool: "asyncpg.Pool[asyncpg.Record]", project: UUID, command_id: UUID, command: Outgoing) -> None:
    headers = msgspec.json.encode(command.headers).decode()
    await pool.execute(STORE, project, command_id, command.subject, headers, command.body, timeout=TIMEOUT)


async def find(pool: "asyncpg.Pool[asyncpg.Record]", project: UUID, command_id: UUID) -> Outgoing | None:
    """Return the project's command if it was stored within the last day."""
    row = await pool.fetchrow(FIND, project, command_id, timeout=TIMEOUT)
    if row is None:
        return None
    return Outgoing(row["subject"], msgspec.json.decode(row["headers"], type=dict[str, str]), row["body"])


async def delete_expired(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await pool.execute(DELETE_EXPIRED, KEPT_HOURS, timeout=TIMEOUT)
