"""Stores notifications on INGEST in batches: what arrives while one batch is being stored goes into the next.

A message for each notification would cost JetStream an fsync, and every consumer the handling of a message. So
notifications that arrive together share a message.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog
from prometheus_client import Counter

from libs.runtime.messaging.adaptive_batching import AdaptiveBatching
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.publisher import Publisher
from libs.schemas.feedback.notifications import RecordNotification
from services.gateway.sns.bus_message import ingest_message

log = structlog.get_logger()

NOTIFICATIONS = Counter("godwit_notifications_taken_total", "Notifications of SES that were stored on the bus")

MAX_WAITING = 5_000
MAX_AT_ONCE = 512
MAX_PER_MESSAGE = 64
"""Feedback fetches a number of messages at once, so a larger message would make its transactions too long."""
MAX_CHARACTERS = 200_000
"""The limit for all notifications in a message: the bus takes 1 MiB, and JSON may need several bytes per character."""

MAX_BATCHING_SECONDS = 0.01
"""How long notifications are collected when hundreds arrive per second. SNS waits fifteen seconds for the response, and
a message for each notification would cost everyone on the way twice as much."""


class PendingNotification(msgspec.Struct, frozen=True):
    """A notification, and the future of the request that waits until it is stored."""

    notification: RecordNotification
    stored: "asyncio.Future[bool]"


class IngestQueue:
    """Stores notifications in the order of their arrival. `run` does the work."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._waiting: deque[PendingNotification] = deque()
        self._wake = asyncio.Event()
        self._batching = AdaptiveBatching(MAX_BATCHING_SECONDS)

    async def store(self, notification: RecordNotification) -> None:
        """Return when the notification is on disk. Raises Unavailable if SNS has to send it again."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("too many notifications are waiting")
        pending = PendingNotification(notification, asyncio.get_running_loop().create_future())
        self._waiting.append(pending)
        self._wake.set()
        if not await pending.stored:
            raise Unavailable("the bus did not store the notification")

    async def run(self) -> None:
        """Store notifications until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                taken = self._next()
                await self._store(taken)
                pause = self._batching.pause(len(taken))
                await asyncio.sleep(pause if len(taken) < MAX_PER_MESSAGE else 0)

    def _next(self) -> list[PendingNotification]:
        return [self._waiting.popleft() for _ in range(min(MAX_AT_ONCE, len(self._waiting)))]

    async def _store(self, taken: list[PendingNotification]) -> None:
        # SNS may post a message twice at once; it is stored once.
        unique = {pending.notification.notification_id: pending.notification for pending in taken}
        batches = batches_of(list(unique.values()))
        count = 0
        try:
            count = await self._publisher.publish([ingest_message(batch) for batch in batches])
        except Exception as error:
            log.warning("ingest.failed", size=len(taken), error=repr(error))
        stored = {notification.notification_id for batch in batches[:count] for notification in batch}
        NOTIFICATIONS.inc(len(stored))
        for pending in taken:
            if not pending.stored.done():
                pending.stored.set_result(pending.notification.notification_id in stored)


def batches_of(notifications: Sequence[RecordNotification]) -> list[list[RecordNotification]]:
    """Return the notifications in their order, in batches of as many as a message may hold."""
    batches: list[list[RecordNotification]] = []
    size = 0
    for each in notifications:
        if not batches or len(batches[-1]) == MAX_PER_MESSAGE or size + len(each.message) > MAX_CHARACTERS:
            batches.append([])
            size = 0
        batches[-1].append(each)
        size += len(each.message)
    return batches
