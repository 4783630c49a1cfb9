"""The replay of the log to the bus, which refills a lost stream or serves a new subscriber.

Readers of the log follow `sequence`. Consumers skip the events that are in their inbox.
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
# The pieces of the log that contain the next events, and the requested part of each.
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
    """Raised when the bus did not store an event. Resume the replay after the sequence in the message."""


async def sequence_at(conn: "asyncpg.Connection[asyncpg.Record]", service: str, since: datetime) -> int:
    """Return the sequence after which the service's events were recorded at or after `since`."""
    await conn.execute(SET_PATH, service)
    sequence: int = await conn.fetchval(SINCE, since)
    return sequence


async def pages(
    conn: "asyncpg.Connection[asyncpg.Record]", after: int, size: int = PAGE
) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield the published log after a sequence, in order, page by page."""
    while rows := await conn.fetch(LOG, after, size):
        yield rows
        after = rows[-1]["sequence"]


async def replay(
    conn: "asyncpg.Connection[asyncpg.Record]", publisher: Publisher, service: str, after: int
) -> AsyncIterator[int]:
    """Publish the service's events after a sequence. Yield the last sequence of each page. Raise BusRefused."""
    await conn.execute(SET_PATH, service)
    async for rows in pages(conn, after):
        stored = await publisher.publish([outgoing(service, row) for row in rows])
        if stored < len(rows):
            raise BusRefused(f"the bus refused events after sequence {rows[stored]['sequence'] - 1}")
        yield rows[-1]["sequence"]
