"""A client of a pull consumer that fetches hundreds of messages with one request.

nats-py sends the same request, but passes on the messages one by one, each with its own task and timer: that cost more
than everything else that a consumer did to receive an event.
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
"""Statuses that end a request normally: there are no messages, or the time is over. If the reply would be too large, a
different status follows the messages."""

HEARTBEAT = "100"
MAX_REPLY_BYTES = 4 * 1024 * 1024
"""Size of one reply, which is held in memory. A message has at most 1 MiB."""

GRACE_SECONDS = 0.25
"""Delay with which the end of a request may arrive."""


class Request(msgspec.Struct, frozen=True):
    """The request of `$JS.API.CONSUMER.MSG.NEXT`. `expires` is in nanoseconds.

    With `expires` and `no_wait` the server sends the messages that it has, or waits for the first one and sends it.
    """

    batch: int
    expires: int
    no_wait: bool = True
    max_bytes: int = MAX_REPLY_BYTES


class NotFetchable(NatsError):
    """Raised when the server refuses the request. The message is the server's reason."""


class PullClient:
    """A client of one durable consumer, usable between `start` and `stop`, by one caller at a time."""

    def __init__(self, client: Client, stream: str, durable: str) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = client.new_inbox()
        self._numbers = count(1)
        self._subscription: Subscription | None = None
        self._reply_subject = ""
        self._requested = 0
        self._arrived: list[Msg] = []
        self._done = asyncio.Event()
        self._reason = ""

    async def start(self) -> Self:
        self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._receive)
        return self

    async def stop(self) -> None:
        if self._subscription:
            await self._subscription.unsubscribe()

    async def fetch(self, max_messages: int, seconds: float) -> Sequence[Msg]:
        """Return the pending messages, or the first that arrives within `seconds`. Raise NotFetchable.

        Messages that arrive too late for one call are returned by the next.
        """
        if not self._arrived:
            await self._request_messages(max_messages, seconds)
        arrived, self._arrived = self._arrived, []
        if self._reason and not arrived:
            raise NotFetchable(self._reason)
        return arrived

    async def _request_messages(self, max_messages: int, seconds: float) -> None:
        self._done.clear()
        self._requested, self._reason = max_messages, ""
        self._reply_subject = f"{self._inbox}.{next(self._numbers)}"
        request = Request(max_messages, int(seconds * 1e9))
        await self._client.publish(self._subject, _encode(request), self._reply_subject)
        async with soft_timeout(seconds + GRACE_SECONDS):  # a broken connection loses the request or its end
            await self._done.wait()

    async def _receive(self, message: Msg) -> None:
        status = message.headers.get("Status", "") if message.headers and not message.data else ""
        if not status:
            self._arrived.append(message)
            if len(self._arrived) == self._requested:
                self._done.set()
        elif message.subject == self._reply_subject and status != HEARTBEAT:
            self._reason = "" if status in END_OF_REQUEST else f"{status} {message.header}"
            self._done.set()


_encode = msgspec.json.Encoder().encode
