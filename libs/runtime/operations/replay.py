"""Publishing the log again: how a lost stream is refilled, and how a new subscriber gets what it missed.

Readers of the log follow `sequence`. Consumers' inboxes make what they have seen already harmless.
"""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

from libs.runtime.messaging.publisher import Publisher
from libs.runtime.messaging.relay import outgoing

PAGE = 1000

SET_PATH = "select set_config('search_path', $1, false)"
SINCE = """
select coalesce((select min(sequence) - 1 from log where recorded_at >= $1), (select sequence from relay))
"""
# The pieces of the log in which the next events are, and of each the part that is asked for.
LOG = """
select piece.sequence + event.position - piece.position as sequence, event.*
from (
    select sequence, position, events from published
    where sequence >= (select coalesce(max(sequence), 0) from published where sequence <= $1 + 1)
        and sequence <= $1 + $2
) as piece
cross join lateral (
    select position, id, project, stream, version, type, data, meta, recorded_at from events
    where position >= piece.position + greatest(0, $1 + 1 - piece.sequence)
        and position < piece.position + least(piece.events, $1 + $2 + 1 - piece.sequence)
    order by position
) as event
order by sequence
"""


class BusRefused(Exception):
    """The bus did not take an event; replay again from the sequence that the message names."""


async def sequence_at(conn: "asyncpg.Connection[asyncpg.Record]", service: str, since: datetime) -> int:
    """The sequence in the service's log after which the first event was recorded at or after `since`."""
    await conn.execute(SET_PATH, service)
    sequence: int = await conn.fetchval(SINCE, since)
    return sequence


async def pages(
    conn: "asyncpg.Connection[asyncpg.Record]", after: int, size: int = PAGE
) -> AsyncIterator[list[asyncpg.Record]]:
    """The published log after a sequence, in order, a page at a time."""
    while rows := await conn.fetch(LOG, after, size):
        yield rows
        after = rows[-1]["sequence"]


async def replay(
    conn: "asyncpg.Connection[asyncpg.Record]", publisher: Publisher, service: str, after: int
) -> AsyncIterator[int]:
    """Publish the service's events after a sequence; yields the sequence reached, page by page. Raises BusRefused."""
    await conn.execute(SET_PATH, service)
    async for rows in pages(conn, after):
        stored = await publisher.publish([outgoing(service, row) for row in rows])
        if stored < len(rows):
            raise BusRefused(f"the bus stopped taking events after sequence {rows[stored]['sequence'] - 1}")
        yield rows[-1]["sequence"]
