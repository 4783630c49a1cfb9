"""The connection pools of a service: one for the work of commands, events and timers, one for queries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from libs.runtime.messaging.bus import QUERY_TIMEOUT
from libs.runtime.messaging.group_commit import COMMAND_TIMEOUT
from libs.runtime.messaging.project_connection import ProjectConnection, query_role_of
from libs.runtime.process.settings import Settings

log = structlog.get_logger()

CLOSE_SECONDS = 5.0
"""Time for connections to be released, after everything that uses them has stopped."""
IDLE_SECONDS = 30.0
"""Idle time after which a connection is closed: each is a process of Postgres."""


@asynccontextmanager
async def open_pool(config: Settings) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """Open the service's pool for everything but queries. The role's search_path is the service's schema, so SQL names
    tables without one."""
    async with _pool(config, config.database_pool, COMMAND_TIMEOUT, {}) as pool:
        yield pool


@asynccontextmanager
async def open_query_pool(service: str, config: Settings) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """Open the service's pool for queries, which only read. Postgres itself ends those that take too long, also if
    this process no longer can."""
    session = {
        "role": query_role_of(service),
        "default_transaction_read_only": "on",
        "statement_timeout": f"{QUERY_TIMEOUT * 1000:.0f}",
    }
    async with _pool(config, config.database_query_pool, QUERY_TIMEOUT, session) as pool:
        yield pool


@asynccontextmanager
async def _pool(
    config: Settings, size: int, seconds: float, session: dict[str, str]
) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """Open a pool whose statements may take so many seconds."""
    pool = await asyncpg.create_pool(
        config.database_url,
        min_size=1,
        max_size=size,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        timeout=10,
        command_timeout=seconds,
        server_settings=session,
        reset=_keep_session,
        connection_class=ProjectConnection,
    )
    try:
        yield pool
    finally:
        await _close(pool)


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Close the pool. Connections that are not released in time are cut, and Postgres rolls back their transactions."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        log.warning("pool.connections_cut", after=CLOSE_SECONDS)


async def _keep_session(conn: object) -> None:
    """Skip the reset of a session: nothing here leaves state in it, since locks end with their transaction."""
