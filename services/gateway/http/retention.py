"""Deletes responses and commands that are no longer kept."""

import asyncio

import structlog

from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.process.runtime import Runtime
from services.gateway.bus import pending_commands
from services.gateway.http import idempotency

log = structlog.get_logger()

INTERVAL_SECONDS = 600


async def delete_expired(runtime: Runtime) -> None:
    """Delete what has expired, every ten minutes until cancelled."""
    while True:
        try:
            await idempotency.delete_expired(runtime.pool)
            await pending_commands.delete_expired(runtime.pool)
        except CONNECTION_ERRORS as error:
            log.warning("retention.database_unreachable", error=repr(error))
        await asyncio.sleep(INTERVAL_SECONDS)
