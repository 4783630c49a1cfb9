"""Notifications on their way to INGEST: what arrives while the last ones are being stored goes out with the next.

Every publish of its own would cost JetStream an fsync; an atomic batch costs a few, however long it is.
"""

import asyncio
from collections import deque

import msgspec
import structlog

from libs.runtime.bus import Unavailable
from libs.runtime.publisher import MAX_BATCH, Outgoing, Publisher
from services.gateway import metrics

log = structlog.get_logger()

MAX_WAITING = 5_000


class Waiting(msgspec.Struct, frozen=True):
    """A message, and whoever waits until it is stored."""

    message: Outgoing
    stored: "asyncio.Future[bool]"


class Intake:
    """Stores messages in the order in which they came. `run` does the work."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: deque[Waiting] = deque()
        self._wake = asyncio.Event()

    async def take(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        """Returns when the message is on disk. Raises Unavailable if it is not: whoever sent it is to send it again."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("too many notifications are waiting")
        waiting = Waiting(Outgoing(subject, headers, body), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        if not await waiting.stored:
            raise Unavailable("the bus did not take the notification")

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._store(self._next())

    def _next(self) -> list[Waiting]:
        return [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]

    async def _store(self, batch: list[Waiting]) -> None:
        # SNS may post one message twice at once: an atomic batch must not hold it twice
        unique = {waiting.message.headers["Nats-Msg-Id"]: waiting.message for waiting in batch}
        stored: set[str] = set()
        try:
            count = await self._publisher.publish(list(unique.values()))
            stored = set(list(unique)[:count])
        except Exception as error:
            log.warning("intake.failed", size=len(batch), error=repr(error))
        metrics.NOTIFICATIONS.inc(len(stored))
        for waiting in batch:
            if not waiting.stored.done():
                waiting.stored.set_result(waiting.message.headers["Nats-Msg-Id"] in stored)
