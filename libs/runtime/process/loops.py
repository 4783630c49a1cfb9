"""Background loops that survive a database that is away for a moment."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from libs.runtime.messaging import group_commit

log = structlog.get_logger()

DATABASE_ERRORS = (
    *group_commit.CONNECTION_ERRORS,
    *group_commit.CONFLICT_ERRORS,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
)
"""Errors after which a loop tries again. The transaction was rolled back, so the next round finds the same data."""


async def repeat(act: Callable[[], Awaitable[float]], seconds_after_error: float) -> None:
    """Call `act` forever, each time after the number of seconds that it returned."""
    while True:
        try:
            pause = await act()
        except DATABASE_ERRORS as error:
            log.warning("loop.failed", error=repr(error))
            pause = seconds_after_error
        await asyncio.sleep(pause)
