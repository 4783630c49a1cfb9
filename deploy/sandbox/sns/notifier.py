"""Keeps one courier per subscription at work, signs for all of them, and stops them in order."""

import asyncio
import logging
import time
from contextlib import suppress

from deploy.sandbox.mailbox.ledger import Ledger
from deploy.sandbox.sns.envelopes import Signer, Topic
from deploy.sandbox.sns.signing import Signing
from deploy.sandbox.sns.subscription_delivery import Courier, PostOffice
from deploy.sandbox.sns.subscriptions import Subscriptions
from deploy.sandbox.sqs.queue import Queue
from deploy.sandbox.storage.store import Store

log = logging.getLogger("sandbox.notifications")

PENDING = "select count(*), min(due) from notification"
LAST_LOOKS = 10


class Notifier:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        subscriptions: Subscriptions,
        topic: Topic,
        signer: Signer,
        region: str,
        queue: Queue,
    ) -> None:
        self._store, self._subscriptions, self._signing = store, subscriptions, Signing(signer)
        sign = self._signing.sign
        self.office = PostOffice(store=store, ledger=ledger, topic=topic, region=region, sign=sign, queue=queue)
        self._at_work: dict[int, tuple[Courier, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Follow the subscriptions: a new one gets a courier, a removed one loses it."""
        while True:
            self._follow_subscriptions()
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Let the posts under way finish, briefly. Whatever else is due stays on disk."""
        self.office.mode = "paused"
        await self._let_posts_finish()
        for courier_id in list(self._at_work):
            courier, task = self._at_work.pop(courier_id)
            await _cancelled(task)
            await courier.settle()
        await self._signing.stop()

    def status(self) -> dict[str, object]:
        pending, next_due = self._store.rows(PENDING)[0]
        return {
            "mode": self.office.mode,
            "pending": pending,
            "overdueSeconds": round(max(0.0, time.time() - next_due), 3) if next_due else 0.0,
            "delivered": dict(self.office.delivered),
            "failedPosts": self.office.failed_posts,
            "givenUp": self.office.given_up,
        }

    def _follow_subscriptions(self) -> None:
        current = {subscription.id: subscription for subscription in self._subscriptions.current}
        for gone in self._at_work.keys() - current.keys():
            self._at_work.pop(gone)[1].cancel()
        for subscription in current.values():
            if subscription.id in self._at_work and not self._has_died(subscription.id):
                self._at_work[subscription.id][0].subscription = subscription
            else:
                courier = Courier(self.office, subscription)
                self._at_work[subscription.id] = (courier, asyncio.create_task(courier.run()))

    def _has_died(self, subscription_id: int) -> bool:
        """A courier ends by an error only, such as a full disk; the next one finds all work as it was left."""
        task = self._at_work[subscription_id][1]
        if not task.done():
            return False
        log.error("courier.died", exc_info=task.exception())
        return True

    async def _let_posts_finish(self) -> None:
        for _ in range(LAST_LOOKS):
            if all(courier.is_idle for courier, _ in self._at_work.values()):
                return
            await asyncio.sleep(0.05)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
