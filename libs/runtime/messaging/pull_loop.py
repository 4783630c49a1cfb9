"""A loop that pulls a durable consumer's messages, a few hundred at a time.

FastStream has a pull subscriber, but its work on every message (parsing, context, middlewares) was more than half of
the time that a whole service spent on it, for features that are not used here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from libs.runtime.messaging.adaptive_batching import AdaptiveBatching
from libs.runtime.messaging.pull_client import PullClient

log = structlog.get_logger()

FETCH = 500
"""Messages per fetch."""
MAX_IN_FLIGHT = 4
"""Fetches that are not acknowledged yet: the next one runs while the last one is committed."""

FETCH_SECONDS = 1.0
BROKEN_SECONDS = 1.0
DRAIN_SECONDS = 8.0


Receive: TypeAlias = Callable[[Sequence[Msg]], Awaitable[None]]


class PullLoop:
    """A loop that runs until it is stopped.

    `receive` acknowledges the messages, and raises only if the connection is broken.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        durable: str,
        receive: Receive,
        batching: AdaptiveBatching,
        max_messages: int = FETCH,
    ) -> None:
        self._client = client
        self._stream = stream
        self._durable = durable
        self._receive = receive
        self._batching = batching
        self._max_messages = max_messages
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._stopping = False
        self._running: set[asyncio.Task[None]] = set()
        self.pulling = False

    async def run(self) -> None:
        while not self._stopping:
            try:
                await self._pull()
            except (NatsError, OSError, TimeoutError) as broken:
                log.warning("pull_loop.broken", consumer=self._durable, error=repr(broken))
                self.pulling = False
                await asyncio.sleep(BROKEN_SECONDS)
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)

    def stop(self) -> None:
        """Stop fetching. Messages that were fetched are still handled."""
        self._stopping = True

    async def _pull(self) -> None:
        pull_client = await PullClient(self._client, self._stream, self._durable).start()
        self.pulling = True
        try:
            while not self._stopping:
                if messages := await pull_client.fetch(self._max_messages, FETCH_SECONDS):
                    await self._slots.acquire()
                    self._start(messages)
                pause = self._batching.pause(len(messages))
                await asyncio.sleep(pause if len(messages) < self._max_messages else 0)
        finally:
            await pull_client.stop()

    def _start(self, messages: Sequence[Msg]) -> None:
        task = asyncio.create_task(self._handle(messages))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _handle(self, messages: Sequence[Msg]) -> None:
        try:
            await self._receive(messages)
        except (NatsError, OSError, TimeoutError) as broken:
            log.warning("pull_loop.not_acknowledged", consumer=self._durable, error=repr(broken))
        finally:
            self._slots.release()
