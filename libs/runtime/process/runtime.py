"""What a running service stands on: its pool, its bus, its consumers and its relay."""

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
from libs.runtime.process.health import Check
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.runtime.process.timers import Timers
from libs.runtime.timeouts import soft_timeout
from libs.schemas.base import Query

T = TypeVar("T")
COMMANDS_WAIT, FACTS_WAIT = 0.0, 0.15
"""How long messages of a busy stream are gathered. Somebody waits for the answer to a command, nobody for a fact's."""
FETCH_BATCHES, MANY_BATCHES = 30, 40.0
"""Messages of INGEST that are fetched at a time, and that are many in a second: each holds up to 64 notifications."""


class Runtime:
    """What a running service stands on. Background work and reactions get it; deciders never do."""

    def __init__(
        self,
        service: Service,
        config: Settings,
        pool: "asyncpg.Pool[asyncpg.Record]",
        broker: NatsBroker,
        client: Client,
    ) -> None:
        self.service = service
        self.settings = config
        self.pool = pool
        self.broker = broker
        self.client = client
        self.stopping = asyncio.Event()
        self.committed = asyncio.Event()
        """Set after every commit of this process: work that looks for new rows can wait for it."""
        self.publisher = DecryptingPublisher(client, "EVENTS", pool)
        self.relay = Relay(config.database_url, service.name, self.publisher, asyncio.Event())
        self.consumers: dict[str, Consumer] = {}
        self.commits: list[GroupCommit] = []
        self.pull_loops: list[PullLoop] = []
        self.checks: dict[str, Check] = {}
        """What `/readyz` asks. A service's work adds what it must have done before it can serve."""
        self.timers: Timers | None = None

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        """A transaction outside of any message: what is appended in it is committed at the end, or nothing is."""
        async with asyncio.timeout(COMMAND_TIMEOUT), self.pool.acquire() as conn, transaction(conn) as units:
            units.append(unit := await begin(conn, self.service.read_models))
            yield unit
            await unit.flush()
        self.on_commit(unit)

    async def yield_to_commands(self, longest: float) -> int:
        """Let the commands at hand go first, at most so many seconds. Answers how many batches of commands were handled
        so far, by which work can tell whether somebody waits for answers."""
        async with soft_timeout(longest):
            await self._commands.wait_until_idle()
        return self._commands.batches

    async def wait_out_backpressure(self, longest: float) -> None:
        """Wait while commands come in many at a time, at most so many seconds: the machine is needed for them."""
        async with soft_timeout(longest):
            await self._commands.until_backpressure_ends()

    @property
    def has_backpressure(self) -> bool:
        """Whether commands come in many at a time now."""
        return self._commands.has_backpressure

    @property
    def _commands(self) -> GroupCommit:
        return self.consumers[f"{self.service.name}-commands"].commit

    async def ask(self, project: UUID, query: Query, answer: type[T]) -> T:
        """Ask another service. Raises Rejected for no, `bus.Unavailable` if it does not answer."""
        return await bus.ask(self.client, project, query, answer)

    def on_commit(self, unit: UnitOfWork) -> None:
        self.committed.set()
        if unit.appended:
            if self.relay.active:
                self.publisher.remember(unit.appended)
            self.relay.wake.set()
        if unit.scheduled and self.timers:
            self.timers.wake.set()

    def open_consumer(self, kind: str, handlers: Mapping[Any, BatchHandler], stream: str | None) -> Consumer:
        """Open the consumer `<service>-<kind>` with a group commit of its own; pulls from `stream` if there is one."""
        name = f"{self.service.name}-{kind}"
        commit = GroupCommit(self.pool, name, handlers, self.service.read_models, on_commit=self.on_commit)
        self.commits.append(commit)
        self.consumers[name] = consumer = Consumer(name, list(handlers), commit, self.client, self.settings.delays)
        if stream:
            commands = kind == "commands"
            receive = self.receive if commands else consumer.receive
            batching, most = _pulling(kind)
            self.pull_loops.append(PullLoop(self.client, stream, name, receive, batching, most))
        return consumer

    async def receive(self, raws: Sequence[Msg]) -> None:
        """Take what comes as commands: the service's own, and dead letters that go back to one of its consumers."""
        for raw in (raw for raw in raws if is_redelivery(raw)):
            await self.consumers[(raw.headers or {})[CONSUMER]].receive([raw])
        await self.consumers[f"{self.service.name}-commands"].receive([raw for raw in raws if not is_redelivery(raw)])


def _pulling(kind: str) -> tuple[AdaptiveBatching, int]:
    """Return how such a consumer batches its messages, and how many it fetches at a time."""
    if kind == "commands":
        return AdaptiveBatching(COMMANDS_WAIT), FETCH
    if kind == "ingest":
        return AdaptiveBatching(FACTS_WAIT, MANY_BATCHES), FETCH_BATCHES
    return AdaptiveBatching(FACTS_WAIT), FETCH
