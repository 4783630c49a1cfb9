"""Fetching what waits for a pull consumer: some hundreds of messages for one request.

nats-py asks the server the same, but hands over what comes one by one, each with a task, a timer and a name of its own:
that cost more than all else that a consumer did to receive an event.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Self

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from libs.runtime.timeouts import soft_timeout

END_OF_REQUEST = ("404", "408")
"""The server's words for the end of a request: there is nothing, or the time is over. That the answer would become too
large comes as another one, after what there was."""

HEARTBEAT = "100"
MAX_REPLY_BYTES = 4 * 1024 * 1024
"""Of one answer: what is fetched is held in memory. A message has no more than one mebibyte."""

GRACE_SECONDS = 0.25
"""How late the end of a request may be."""


class Request(msgspec.Struct, frozen=True):
    """What `$JS.API.CONSUMER.MSG.NEXT` takes; `expires` is in nanoseconds.

    With both of the others set the server sends what there is, or waits for the first message and sends that.
    """

    batch: int
    expires: int
    no_wait: bool = True
    max_bytes: int = MAX_REPLY_BYTES


class NotFetchable(NatsError):
    """The consumer cannot be fetched from; the message is the server's reason."""


class PullClient:
    """Fetches from one durable consumer, between `start` and `stop`. For one caller at a time."""

    def __init__(self, client: Client, stream: str, durable: str) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = client.new_inbox()
        self._numbers = count(1)
        self._subscription: Subscription | None = None
        self._request = ""
        self._wanted = 0
        self._arrived: list[Msg] = []
        self._over = asyncio.Event()
        self._reason = ""

    async def start(self) -> Self:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._take)
        return self

    async def stop(self) -> None:
        if self._subscription:
            await self._subscription.unsubscribe()

    async def fetch(self, most: int, seconds: float) -> Sequence[Msg]:
        """Return up to `most` waiting messages, or the first that arrive within `seconds`. Raises NotFetchable.

        What comes too late for one call is part of the answer to the next.
        """
        if not self._arrived:
            await self._ask(most, seconds)
        arrived, self._arrived = self._arrived, []
        if self._reason and not arrived:
            raise NotFetchable(self._reason)
        return arrived

    async def _ask(self, most: int, seconds: float) -> None:
        self._over.clear()
        self._wanted, self._reason = most, ""
        self._request = f"{self._inbox}.{next(self._numbers)}"
        await self._client.publish(self._subject, _encode(Request(most, int(seconds * 1e9))), self._request)
        async with soft_timeout(seconds + GRACE_SECONDS):  # the request or its end was lost with a connection
            await self._over.wait()

    async def _take(self, message: Msg) -> None:
        status = message.headers.get("Status", "") if message.headers and not message.data else ""
        if not status:
            self._arrived.append(message)
            if len(self._arrived) == self._wanted:
                self._over.set()
        elif message.subject == self._request and status != HEARTBEAT:
            self._reason = "" if status in END_OF_REQUEST else f"{status} {message.header}"
            self._over.set()


_encode = msgspec.json.Encoder().encode
