"""Publishing the log again: how a lost stream is refilled, and how a new subscriber gets what it missed.

Readers of the log follow `sequence`. Consumers' inboxes make what they have seen already harmless.
"""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

from libs.runtime.publisher import Publisher
from libs.runtime.relay import outgoing

PAGE = 1000

SET_PATH = "select set_config('search_path', $1, false)"
SINCE = """
select coalesce(min(sequence) filter (where recorded_at >= $1) - 1, max(sequence), 0)
from events where sequence is not null
"""
LOG = """
select position, sequence, id, project, stream, version, type, data, meta, recorded_at
from events where sequence > $1 order by sequence limit $2
"""


class BusRefused(Exception):
    """The bus did not take an event; replay again from the sequence that the message names."""


async def sequence_at(conn: "asyncpg.Connection[asyncpg.Record]", service: str, since: datetime) -> int:
    """The sequence in the service's log after which the first event was recorded at or after `since`."""
    await conn.execute(SET_PATH, service)
    sequence: int = await conn.fetchval(SINCE, since)
    return sequence


async def pages(conn: "asyncpg.Connection[asyncpg.Record]", after: int) -> AsyncIterator[list[asyncpg.Record]]:
    """The published log after a sequence, in order, a page at a time."""
    while rows := await conn.fetch(LOG, after, PAGE):
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
