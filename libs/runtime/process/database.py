"""The connections of a service to its database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from libs.runtime.messaging.group_commit import COMMAND_TIMEOUT
from libs.runtime.process.settings import Settings

log = structlog.get_logger()

CLOSE_SECONDS = 5.0
"""That connections get to be given back, once everything has stopped that uses them."""
IDLE_SECONDS = 30.0
"""After which a connection that a burst needed is closed: each is a process of Postgres."""


@asynccontextmanager
async def open_pool(config: Settings) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """The service's pool. Its role has the service's schema as search_path, so SQL names tables without one."""
    pool = await asyncpg.create_pool(
        config.database_url,
        min_size=1,
        max_size=config.database_pool,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        timeout=10,
        command_timeout=COMMAND_TIMEOUT,
        reset=_keep_session,
    )
    try:
        yield pool
    finally:
        await _close(pool)


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Connections that nobody gives back are cut: Postgres rolls back what they had begun."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        log.warning("pool.connections_cut", after=CLOSE_SECONDS)


async def _keep_session(conn: object) -> None:
    """Nothing here leaves state in a session (locks end with their transaction), so none has to be reset."""
