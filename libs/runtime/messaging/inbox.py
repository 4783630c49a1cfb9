"""The inbox: the messages that a consumer has handled, recorded in the transaction that handled them.

JetStream drops duplicates only within its window; this table ensures that a message takes effect once.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.store import Connection, ReadModel, UnitOfWork

# It also takes the lock that all units share and reads the clock, as `store.begin` does: one round trip less per batch.
RECORD = """
with new as (
    insert into inbox (consumer, message_id)
    select $1, unnest($2::uuid[])
    on conflict do nothing
    returning message_id
)
select clock_timestamp() as now, array(select message_id from new) as fresh
from pg_advisory_xact_lock_shared(hashtext('godwit.units'), hashtext(current_schema()))
"""

LOAD_REPLIES = "select message_id, reply from inbox where consumer = $1 and message_id = any($2::uuid[])"

STORE_REPLIES = """
update inbox set reply = new.reply
from unnest($2::uuid[], $3::bytea[]) as new (message_id, reply)
where inbox.consumer = $1 and inbox.message_id = new.message_id
"""

DELETE_OLD = """
delete from inbox where ctid = any(array(
    select ctid from inbox where received_at < statement_timestamp() - make_interval(days => $1) limit $2
))
"""
RETENTION_DAYS = 45
"""Longer than any message can still be delivered: EVENTS keeps 30 days."""
BATCH = 10_000


async def begin(
    conn: Connection, read_models: Sequence[ReadModel], consumer: str, ids: Sequence[UUID]
) -> tuple[UnitOfWork, set[UUID]]:
    """Begin a unit of work for these messages in the open transaction of `conn` and record them as handled.

    Return the unit and the ids that were not handled before. The records are committed together with the work.
    """
    row = await conn.fetchrow(RECORD, consumer, ids)
    assert row
    return UnitOfWork(conn, row["now"], read_models), set(row["fresh"])


async def load_replies(conn: Connection, consumer: str, ids: Sequence[UUID]) -> dict[UUID, bytes | None]:
    """Return the stored replies of messages that were handled before."""
    rows = await conn.fetch(LOAD_REPLIES, consumer, ids)
    return {row["message_id"]: row["reply"] for row in rows}


async def store_replies(conn: Connection, consumer: str, replies: Mapping[UUID, bytes]) -> None:
    """Store replies, so that a duplicate of the message gets the same one."""
    if replies:
        await conn.execute(STORE_REPLIES, consumer, list(replies.keys()), list(replies.values()))


async def delete_old(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    """Delete a batch of records that are older than any message that can still be delivered.

    Return whether there may be more.
    """
    outcome: str = await pool.execute(DELETE_OLD, RETENTION_DAYS, BATCH, timeout=30)
    return outcome == f"DELETE {BATCH}"
