"""What a consumer has already handled, remembered in the transaction that handled it.

JetStream drops repeats only within its duplicate window; this table is what makes twice once.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.store import Connection, ReadModel, UnitOfWork

# It takes the lock that every unit shares and tells the time, as `store.begin` does: a round trip less for a batch.
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
"""Longer than any message can still arrive: EVENTS keeps 30 days."""
BATCH = 10_000


async def begin(
    conn: Connection, read_models: Sequence[ReadModel], consumer: str, ids: Sequence[UUID]
) -> tuple[UnitOfWork, set[UUID]]:
    """Open a unit in the transaction that runs on `conn`, for these messages, and note that they are handled; answers
    those that were new besides. What is noted commits with the work, or neither does."""
    row = await conn.fetchrow(RECORD, consumer, ids)
    assert row
    return UnitOfWork(conn, row["now"], read_models), set(row["fresh"])


async def load_replies(conn: Connection, consumer: str, ids: Sequence[UUID]) -> dict[UUID, bytes | None]:
    """The stored replies of messages that were handled before."""
    rows = await conn.fetch(LOAD_REPLIES, consumer, ids)
    return {row["message_id"]: row["reply"] for row in rows}


async def store_replies(conn: Connection, consumer: str, answers: Mapping[UUID, bytes]) -> None:
    """Store replies, so that a repeat of the message gets the same answer."""
    if answers:
        await conn.execute(STORE_REPLIES, consumer, list(answers.keys()), list(answers.values()))


async def delete_old(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    """Drop some of what is older than any message that could still arrive; answers whether there may be more."""
    outcome: str = await pool.execute(DELETE_OLD, RETENTION_DAYS, BATCH, timeout=30)
    return outcome == f"DELETE {BATCH}"
