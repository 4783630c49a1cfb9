"""The runtime of a service: its pool, its bus connection, its consumers and its relay."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.runtime.eventstore.store import (
    BatchHandler,
    UnitOfWork,
    begin,
    transaction,
)
from libs.runtime.messaging import bus
from libs.runtime.messaging.adaptive_batching import AdaptiveBatching
from libs.runtime.messaging.consumer import CONSUMER, Consumer, is_redelivery
from libs.runtime.messaging.decrypting_publisher import DecryptingPublisher
from libs.runtime.messaging.group_commit import COMMAND_TIMEOUT, GroupCommit
from libs.runtime.messaging.pull_loop import FETCH, PullLoop
from libs.runtime.messaging.relay import Relay
from libs.runtime.messaging.suspects import Suspects
from libs.runtime.process.health import Check
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.runtime.process.timers import Timers
from libs.runtime.timeouts import soft_timeout
from libs.schemas.base import Query

T = TypeVar("T")
COMMANDS_PAUSE, EVENTS_PAUSE = 0.0, 0.15
"""Longest pause between two batches of a busy stream. Callers wait for the reply to a command, nobody for an event."""
INGEST_FETCH, INGEST_BUSY = 30, 40.0
"""Messages of INGEST per fetch, and per second on a busy stream: each holds up to 64 notifications."""


class Runtime:
    """A running service. Background work and reactions use it; deciders never do."""

    def __init__(
        self,
        service: Service,
        config: Settings,
        pool: "asyncpg.Pool[asyncpg.Record]",
        query_pool: "asyncpg.Pool[asyncpg.Record]",
        broker: NatsBroker,
        client: Client,
    ) -> None:
        self.service = service
        self.settings = config
        self.pool = pool
        self.query_pool = query_pool
        self.broker = broker
        self.client = client
        self.stopping = asyncio.Event()
        self.committed = asyncio.Event()
        """Set after every commit of this process. Background work that looks for new rows can wait for it."""
        self.publisher = DecryptingPublisher(client, "EVENTS", pool)
        self.relay = Relay(config.database_url, service.name, self.publisher, asyncio.Event())
        self.suspects = Suspects(pool)
        self.consumers: dict[str, Consumer] = {}
        self.commits: list[GroupCommit] = []
        self.pull_loops: list[PullLoop] = []
        self.checks: dict[str, Check] = {}
        """The checks of `/readyz`. Background work adds its own if the service cannot serve without it."""
        self.timers: Timers | None = None

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        """Run a transaction that does not belong to a message."""
        async with asyncio.timeout(COMMAND_TIMEOUT), self.pool.acquire() as conn, transaction(conn) as units:
            units.append(unit := await begin(conn, self.service.read_models))
            yield unit
            await unit.flush()
        self.on_commit(unit)

    async def yield_to_commands(self, max_seconds: float) -> int:
        """Wait until the queued commands are handled, at most `max_seconds`.

        Return the number of command batches so far: if it grows, callers are waiting for replies.
        """
        async with soft_timeout(max_seconds):
            await self._commands.wait_until_idle()
        return self._commands.batches

    async def wait_out_backpressure(self, max_seconds: float) -> None:
        """Wait while commands arrive faster than they are handled, at most `max_seconds`."""
        async with soft_timeout(max_seconds):
            await self._commands.backpressure.wait_for_end()

    @property
    def has_backpressure(self) -> bool:
        """Whether commands arrive faster than they are handled."""
        return self._commands.backpressure.active

    @property
    def _commands(self) -> GroupCommit:
        return self.consumers[f"{self.service.name}-commands"].commit

    async def ask(self, project: UUID, query: Query, result: type[T]) -> T:
        """Query another service. Raise Rejected, or `bus.Unavailable` if it does not answer."""
        return await bus.ask(self.client, project, query, result)

    def on_commit(self, unit: UnitOfWork) -> None:
        self.committed.set()
        if unit.appended:
            if self.relay.active:
                self.publisher.remember(unit.appended)
            self.relay.wake.set()
        if unit.scheduled and self.timers:
            self.timers.wake.set()

    def open_consumer(self, kind: str, handlers: Mapping[Any, BatchHandler], stream: str | None) -> Consumer:
        """Open the consumer `<service>-<kind>` with its own group commit. It pulls from `stream` if one is given."""
        name = f"{self.service.name}-{kind}"
        commit = GroupCommit(self.pool, name, handlers, self.service.read_models, on_commit=self.on_commit)
        self.commits.append(commit)
        self.consumers[name] = consumer = Consumer(
            name,
            list(handlers),
            commit,
            self.client,
            self.settings.delays,
            self.suspects,
            self.service.slow_commands if kind == "commands" else (),
        )
        if stream:
            commands = kind == "commands"
            receive = self.receive if commands else consumer.receive
            batching, max_messages = _pull_options(kind)
            self.pull_loops.append(PullLoop(self.client, stream, name, receive, batching, max_messages))
        return consumer

    async def receive(self, raws: Sequence[Msg]) -> None:
        """Receive the commands of the service, and the dead letters that are redelivered to one of its consumers."""
        for raw in (raw for raw in raws if is_redelivery(raw)):
            await self.consumers[(raw.headers or {})[CONSUMER]].receive([raw])
        await self.consumers[f"{self.service.name}-commands"].receive([raw for raw in raws if not is_redelivery(raw)])


def _pull_options(kind: str) -> tuple[AdaptiveBatching, int]:
    """Return how a consumer of this kind batches its messages, and how many it fetches at a time."""
    if kind == "commands":
        return AdaptiveBatching(COMMANDS_PAUSE), FETCH
    if kind == "ingest":
        return AdaptiveBatching(EVENTS_PAUSE, INGEST_BUSY), INGEST_FETCH
    return AdaptiveBatching(EVENTS_PAUSE), FETCH
