"""Deliver notifications to one subscriber: request its confirmation, post what is due, retry if it does not answer.

Delivery is at least once. Waiting notifications are on disk; only the few that are being delivered are in memory.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Literal
from uuid import uuid4

import msgspec

from deploy.sandbox.http.client import NETWORK_ERRORS, Client
from deploy.sandbox.mailbox.ledger import Ledger
from deploy.sandbox.mailbox.outcomes import EventType
from deploy.sandbox.settings import QUEUE_ARN
from deploy.sandbox.sns.envelopes import Envelope, Topic
from deploy.sandbox.sns.events import (
    SUBJECT,
    Event,
    event_id,
    event_record,
)
from deploy.sandbox.sns.subscriptions import Subscription
from deploy.sandbox.sqs.queue import Queue, QueueSubscriber
from deploy.sandbox.storage.store import SqlRow, Store

Mode = Literal["on", "paused", "duplicated", "shuffled"]

DUE = """
select id, attempts, give_up_at, seq, kind, at, recipient, detail from notification
where subscription = ? and due <= ? order by due, id limit ?
"""
FORGET = "delete from notification where id = ?"
TRY_LATER = "update notification set due = ?, attempts = ?, give_up_at = ? where id = ?"

POLL_SECONDS = 0.05
POSTS_AT_ONCE = 32
TAKEN_AT_ONCE, TAKEN_AT_ONCE_SHUFFLED = 256, 1024
SHUFFLE_SECONDS = 2.0
FIRST_RETRY, MAX_RETRY = 0.5, 20.0
MAX_PAUSE = 4.0
GIVE_UP_AFTER = 3600.0
CONFIRMATION_RETRY = 2.0
BUSY = (429, 502, 503, 504)

log = logging.getLogger("sandbox.notifications")


class Notification(msgspec.Struct, frozen=True):
    id: int
    attempts: int
    give_up_at: float | None
    seq: int
    event: Event

    @property
    def published_at(self) -> float | None:
        """When it was first tried, or None before the first try. An envelope keeps its timestamp over all attempts."""
        return self.give_up_at and self.give_up_at - GIVE_UP_AFTER


class DeliveryContext(msgspec.Struct, kw_only=True):
    """What the deliveries of all subscriptions share. `mode` may change at any time."""

    store: Store
    ledger: Ledger
    topic: Topic
    region: str
    sign: Callable[[Envelope], Awaitable[Envelope]]
    queue: Queue
    mode: Mode = "on"
    delivered: Counter[str] = msgspec.field(default_factory=Counter)
    failed_posts: int = 0
    given_up: int = 0


class SubscriptionDelivery:
    def __init__(self, context: DeliveryContext, subscription: Subscription) -> None:
        self.subscription = subscription
        self._context = context
        to_queue = subscription.endpoint.startswith(QUEUE_ARN)
        self._client = QueueSubscriber(context.queue) if to_queue else Client(subscription.endpoint)
        self._slots = asyncio.Semaphore(POSTS_AT_ONCE)
        self._in_flight: set[int] = set()  # being delivered, or delivered but not yet deleted on disk
        self._done: list[int] = []
        self._postponed: list[SqlRow] = []
        self._confirmation_requested = to_queue  # a queue of the topic's own account needs no confirmation
        self._request_confirmation_at = 0.0
        self._paused_until = 0.0
        self._failures = 0

    @property
    def is_idle(self) -> bool:
        return not self._in_flight

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as errands:
                while True:
                    self._start(errands)
                    await self.settle()
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            self._client.close()

    async def settle(self) -> None:
        """Store what became of the notifications that were tried."""
        done, later = self._done, self._postponed
        if not done and not later:
            return
        self._done, self._postponed = [], []
        await self._context.store.write((FORGET, [(each,) for each in done]), (TRY_LATER, later))
        self._in_flight.difference_update(done, (row[-1] for row in later))

    def _start(self, errands: asyncio.TaskGroup) -> None:
        now = time.time()
        if now < self._paused_until:
            return
        if now >= self._request_confirmation_at and not (self._confirmation_requested and self.subscription.confirmed):
            self._request_confirmation_at = now + CONFIRMATION_RETRY
            errands.create_task(self._request_confirmation())
        if self._may_deliver:
            for notification in self._take_due(now):
                errands.create_task(self._deliver(notification))

    @property
    def _may_deliver(self) -> bool:
        return self.subscription.confirmed and self._context.mode != "paused" and time.time() >= self._paused_until

    def _take_due(self, now: float) -> list[Notification]:
        at_once = TAKEN_AT_ONCE_SHUFFLED if self._context.mode == "shuffled" else TAKEN_AT_ONCE
        if len(self._in_flight) > at_once // 2:
            return []
        rows = self._context.store.rows(DUE, (self.subscription.id, now, at_once + len(self._in_flight)))
        due = [_notification(*row) for row in rows if row[0] not in self._in_flight]
        self._in_flight.update(notification.id for notification in due)
        return due

    async def _request_confirmation(self) -> None:
        """Request a confirmation. Even a confirmed subscriber is asked once per run: it may have lost its state."""
        envelope = self._context.topic.confirmation(str(uuid4()), self.subscription.token, time.time())
        self._confirmation_requested = await self._post(envelope)

    async def _deliver(self, notification: Notification) -> None:
        if self._context.mode == "shuffled":
            await asyncio.sleep(random.random() * SHUFFLE_SECONDS)  # noqa: S311 - disorder, not secrecy
        async with self._slots:
            if not self._may_deliver:
                self._in_flight.discard(notification.id)  # it stays on disk as it is
                return
            await self._try_to_deliver(notification)

    async def _try_to_deliver(self, notification: Notification) -> None:
        try:
            mail_record = await self._post_event(notification)
        except Exception:
            # One message that cannot be described must not hold up all others.
            log.exception("notification.failed", extra={"seq": notification.seq, "kind": notification.event.kind})
            mail_record = False
        if mail_record:
            self._done.append(notification.id)
        else:
            self._postpone(notification)

    async def _post_event(self, notification: Notification) -> bool:
        message = self._context.ledger.get(notification.seq)
        record = event_record(message, notification.event, self._context.region) if message else None
        if message is None or record is None:
            return True  # deleted meanwhile, or impossible: there is nothing to report
        envelope = self._context.topic.notification(
            message_id=str(event_id(message, notification.event)),
            subject=SUBJECT,
            message=msgspec.json.encode(record).decode(),
            at=notification.published_at or time.time(),
            subscription=self.subscription.arn,
        )
        copies = 2 if self._context.mode == "duplicated" else 1
        for _ in range(copies):
            if not await self._post(envelope):
                return False
            self._context.delivered[notification.event.kind] += 1
        return True

    async def _post(self, envelope: Envelope) -> bool:
        signed = await self._context.sign(envelope)
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": signed["Type"],
            "x-amz-sns-message-id": signed["MessageId"],
            "x-amz-sns-topic-arn": signed["TopicArn"],
            "x-amz-sns-subscription-arn": self.subscription.arn,
        }
        try:
            status = await self._client.post(msgspec.json.encode(signed), headers)
        except NETWORK_ERRORS:
            status = 0
        if 200 <= status < 300:
            self._failures = 0
            return True
        self._context.failed_posts += 1
        if status == 0 or status in BUSY:
            self._pause()
        return False

    def _pause(self) -> None:
        """Pause after a failure to reach the subscriber. Posts that fail together count as one failure."""
        if time.time() < self._paused_until:
            return
        self._paused_until = time.time() + min(_back_off(self._failures), MAX_PAUSE)
        self._failures += 1

    def _postpone(self, notification: Notification) -> None:
        now = time.time()
        give_up_at = notification.give_up_at or now + GIVE_UP_AFTER
        if now >= give_up_at:
            self._context.given_up += 1
            self._done.append(notification.id)
            return
        due = now + _back_off(notification.attempts)
        self._postponed.append((due, notification.attempts + 1, give_up_at, notification.id))


def _back_off(failures: int) -> float:
    return min(FIRST_RETRY * 2.0 ** min(failures, 10), MAX_RETRY)


def _notification(
    id: int, attempts: int, give_up_at: float | None, seq: int, kind: EventType, at: float, recipient: str, detail: str
) -> Notification:
    return Notification(id, attempts, give_up_at, seq, Event(kind, at, recipient, detail))
