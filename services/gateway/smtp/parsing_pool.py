"""Parses messages in processes that can be killed, so that no message costs more than its own sender."""

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from libs.runtime.messaging.bus import RateLimited
from libs.runtime.messaging.project_slots import ProjectSlots
from libs.runtime.process.worker_pool import Limits, PoolBusy, PoolClosed, WorkerLost, WorkerPool, WorkKilled
from services.gateway.smtp.message_limits import TOO_COMPLEX, MessageRefused
from services.gateway.smtp.message_parser import ParsedMessage, UnreadableMessage, parse_message

log = structlog.get_logger()

WORKERS = 2
SECONDS = 5.0
SECONDS_PER_MIB = 1.0
"""On top, for large messages on a busy machine. Usual ones of 15 MiB take less than a second."""

MEMORY = 512 * 1024 * 1024
WAIT_SECONDS = 20.0

UNREADABLE = f"{TOO_COMPLEX} the message cannot be read: it is not valid RFC 5322 or MIME"
TOO_EXPENSIVE = f"{TOO_COMPLEX} the message takes too much time or memory to read"
BUSY = "451 4.3.2 too many messages at once: try again later"


class ParsingPool:
    """The worker processes for messages. A project has one at a time."""

    def __init__(self) -> None:
        self._pool = WorkerPool(WORKERS)
        self._turns = ProjectSlots(
            "SMTP messages", per_project=1, total=WORKERS, max_waiting=100, max_wait=WAIT_SECONDS
        )

    async def parse(self, project: UUID, content: bytes, sender: str, recipients: Sequence[str]) -> ParsedMessage:
        """Return the parsed message. Raises MessageRefused."""
        limits = Limits(seconds=SECONDS + SECONDS_PER_MIB * len(content) / 2**20, memory=MEMORY)
        call = partial(self._pool.call, parse_message, content, sender, recipients, limits=limits, wait=WAIT_SECONDS)
        try:
            async with self._turns.hold(project):
                return await asyncio.to_thread(call)
        except UnreadableMessage as error:
            log.info("smtp.unreadable_message", error=str(error))
            raise MessageRefused(UNREADABLE) from error
        except WorkKilled as killed:
            raise MessageRefused(TOO_EXPENSIVE) from killed
        except (RateLimited, PoolBusy, PoolClosed, WorkerLost) as busy:
            raise MessageRefused(BUSY) from busy

    def close(self) -> None:
        """Kill the processes. What they parse is refused for now."""
        self._pool.close()
