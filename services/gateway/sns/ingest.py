"""Notifications on their way to INGEST: what arrives while the last ones are being stored goes out with the next.

Every message of its own would cost JetStream an fsync, and everyone on the way the handling of a message; so
notifications that arrive together travel together.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog

from libs.runtime.messaging.adaptive_batching import AdaptiveBatching
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.publisher import Publisher
from libs.schemas.feedback.notifications import RecordNotification
from services.gateway.http import metrics
from services.gateway.sns import ingest_message

log = structlog.get_logger()

MAX_WAITING = 5_000
MAX_AT_ONCE = 512
MAX_TOGETHER = 64
"""Notifications in a message. Feedback fetches only so many messages that a transaction does not get too long."""
MAX_CHARACTERS = 200_000
"""Of the notifications in a message: the bus takes 1 MiB, and JSON may need several bytes for a character."""


LONGEST_WAIT = 0.01
"""How long notifications are gathered when hundreds come in a second. SNS waits for the answer, but has fifteen
seconds for it; a message for each of them would cost everyone on the way twice as much."""


class PendingNotification(msgspec.Struct, frozen=True):
    """A notification, and whoever waits until it is stored."""

    notification: RecordNotification
    stored: "asyncio.Future[bool]"


class IngestQueue:
    """Stores notifications in the order in which they came. `run` does the work."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: deque[PendingNotification] = deque()
        self._wake = asyncio.Event()
        self._gather = AdaptiveBatching(LONGEST_WAIT)

    async def take(self, notification: RecordNotification) -> None:
        """Returns when it is on disk. Raises Unavailable if it is not: whoever sent it is to send it again."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("too many notifications are waiting")
        waiting = PendingNotification(notification, asyncio.get_running_loop().create_future())
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
                batch = self._next()
                await self._store(batch)
                pause = self._gather.pause(len(batch))
                await asyncio.sleep(pause if len(batch) < MAX_TOGETHER else 0)

    def _next(self) -> list[PendingNotification]:
        return [self._waiting.popleft() for _ in range(min(MAX_AT_ONCE, len(self._waiting)))]

    async def _store(self, batch: list[PendingNotification]) -> None:
        # SNS may post one message twice at once: it is told once
        unique = {waiting.notification.notification_id: waiting.notification for waiting in batch}
        batches = batches_of(list(unique.values()))
        count = 0
        try:
            count = await self._publisher.publish([ingest_message(batch) for batch in batches])
        except Exception as error:
            log.warning("intake.failed", size=len(batch), error=repr(error))
        stored = {told.notification_id for batch in batches[:count] for told in batch}
        metrics.NOTIFICATIONS.inc(len(stored))
        for waiting in batch:
            if not waiting.stored.done():
                waiting.stored.set_result(waiting.notification.notification_id in stored)


def batches_of(notifications: Sequence[RecordNotification]) -> list[list[RecordNotification]]:
    """The notifications in their order, as many in each message as it may hold."""
    batches: list[list[RecordNotification]] = []
    size = 0
    for told in notifications:
        if not batches or len(batches[-1]) == MAX_TOGETHER or size + len(told.message) > MAX_CHARACTERS:
            batches.append([])
            size = 0
        batches[-1].append(told)
        size += len(told.message)
    return batches
