"""Run one delivery per subscription, sign for all of them, and stop them in order."""

import asyncio
import logging
import time
from contextlib import suppress

from deploy.sandbox.mailbox.ledger import Ledger
from deploy.sandbox.sns.envelopes import Signer, Topic
from deploy.sandbox.sns.signing import SigningClient
from deploy.sandbox.sns.subscription_delivery import DeliveryContext, SubscriptionDelivery
from deploy.sandbox.sns.subscriptions import Subscriptions
from deploy.sandbox.sqs.queue import Queue
from deploy.sandbox.storage.store import Store

log = logging.getLogger("sandbox.notifications")

PENDING = "select count(*), min(due) from notification"
STOP_POLLS = 10


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
        self._store, self._subscriptions, self._signing = store, subscriptions, SigningClient(signer)
        sign = self._signing.sign
        self.context = DeliveryContext(store=store, ledger=ledger, topic=topic, region=region, sign=sign, queue=queue)
        self._deliveries: dict[int, tuple[SubscriptionDelivery, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Follow the subscriptions: start the delivery of a new one, stop that of a removed one."""
        while True:
            self._follow_subscriptions()
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Wait briefly for posts in progress. Whatever else is due stays on disk."""
        self.context.mode = "paused"
        await self._let_posts_finish()
        for subscription_id in list(self._deliveries):
            delivery, task = self._deliveries.pop(subscription_id)
            await _cancelled(task)
            await delivery.settle()
        await self._signing.stop()

    def status(self) -> dict[str, object]:
        pending, next_due = self._store.rows(PENDING)[0]
        return {
            "mode": self.context.mode,
            "pending": pending,
            "overdueSeconds": round(max(0.0, time.time() - next_due), 3) if next_due else 0.0,
            "delivered": dict(self.context.delivered),
            "failedPosts": self.context.failed_posts,
            "givenUp": self.context.given_up,
        }

    def _follow_subscriptions(self) -> None:
        current = {subscription.id: subscription for subscription in self._subscriptions.current}
        for gone in self._deliveries.keys() - current.keys():
            self._deliveries.pop(gone)[1].cancel()
        for subscription in current.values():
            if subscription.id in self._deliveries and not self._has_failed(subscription.id):
                self._deliveries[subscription.id][0].subscription = subscription
            else:
                delivery = SubscriptionDelivery(self.context, subscription)
                self._deliveries[subscription.id] = (delivery, asyncio.create_task(delivery.run()))

    def _has_failed(self, subscription_id: int) -> bool:
        """Return whether a delivery has failed. Only an error ends it, such as a full disk; the next one continues."""
        task = self._deliveries[subscription_id][1]
        if not task.done():
            return False
        log.error("courier.died", exc_info=task.exception())
        return True

    async def _let_posts_finish(self) -> None:
        for _ in range(STOP_POLLS):
            if all(delivery.is_idle for delivery, _ in self._deliveries.values()):
                return
            await asyncio.sleep(0.05)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
