"""A service: what it handles, and the life of its process from start to drain.

A service is declared in its `app.py` as a `Service` value, built by one function from the settings; `run` gives it
a pool, a broker, the relay, its inlets and timers, and stops all of it in order on SIGTERM.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import msgspec
import structlog
import uvloop
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.runtime import crash
from libs.runtime.eventstore.store import (
    BatchHandler,
    Unit,
    begin,
    transaction,
)
from libs.runtime.messaging import bus, inbox
from libs.runtime.messaging.adaptive_batching import Gather
from libs.runtime.messaging.consumer import CONSUMER, Inlet, is_redelivery
from libs.runtime.messaging.decrypting_publisher import RevealingPublisher
from libs.runtime.messaging.group_commit import BROKEN, COMMAND_TIMEOUT, GroupCommit
from libs.runtime.messaging.pull_loop import FETCH, Puller
from libs.runtime.messaging.relay import Relay
from libs.runtime.process import logging, settings
from libs.runtime.process.health import Check, HealthServer
from libs.runtime.process.serving import listen
from libs.runtime.process.settings import BadSettings, Settings
from libs.runtime.process.timers import Timers
from libs.runtime.timeouts import at_most
from libs.schemas.base import Command, Event, Message, Query

log = structlog.get_logger()

T = TypeVar("T")
READY_TIMEOUT = 1.0
DRAIN_SECONDS = 10.0
DEAF_SECONDS = 25.0
"""After which work that was cancelled, and goes on, is no longer finishing what it has at hand."""

CLOSE_SECONDS = 5.0
"""That connections get to be given back, once everything has stopped that uses them."""

GC_THRESHOLD = 20_000
"""Allocations between two collections. Messages make many short-lived objects and no cycles: looking for them at
Python's usual 700 costs several percent."""

TIDY_SECONDS = 3600.0
COMMANDS_WAIT, FACTS_WAIT = 0.0, 0.15
"""How long messages of a busy stream are gathered. Somebody waits for the answer to a command, nobody for a fact's."""

FETCH_PARCELS, MANY_PARCELS = 30, 40.0
"""Messages of INGEST that are fetched at a time, and that are many in a second: each holds up to 64 notifications."""

IDLE_SECONDS = 30.0
"""After which a connection that a burst needed is closed: each is a process of Postgres."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is made of.

    - `commands`, `reactions` (events of other services), `ingest` and `timers` map message types to batch handlers;
    - `queries` map query types to handlers;
    - `read_models` are folded from own events in the transaction that appends them, and from other services' events
      in the transaction that receives them, before the reactions to them run;
    - `migrations` is the folder of the service's numbered SQL files (tables that are not read models);
    - `work` are loops that run as long as the process does, such as senders.
    """

    name: str
    commands: Mapping[type[Command], BatchHandler] = {}
    reactions: Mapping[type[Event], BatchHandler] = {}
    ingest: Mapping[type[Command], BatchHandler] = {}
    timers: Mapping[type[Message], BatchHandler] = {}
    queries: Mapping[type[Query], bus.QueryHandler] = {}
    read_models: Sequence[Any] = ()
    migrations: Path
    work: Sequence["Callable[[Runtime], Awaitable[None]]"] = ()

    @property
    def foreign_events(self) -> list[type[Event]]:
        """The events of other services that this one consumes, for reactions or read models."""
        folded = [kind for model in self.read_models for kind in model.EVENTS if kind.service != self.name]
        return sorted({*self.reactions, *folded}, key=lambda kind: kind.__name__)


Build: TypeAlias = Callable[[Settings], Service]


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
        self.publisher = RevealingPublisher(client, "EVENTS", pool)
        self.relay = Relay(config.database_url, service.name, self.publisher, asyncio.Event())
        self.inlets: dict[str, Inlet] = {}
        self.commits: list[GroupCommit] = []
        self.pullers: list[Puller] = []
        self.checks: dict[str, Check] = {}
        """What `/readyz` asks. A service's work adds what it must have done before it can serve."""
        self.timers: Timers | None = None

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit]:
        """A transaction outside of any message: what is appended in it is committed at the end, or nothing is."""
        async with asyncio.timeout(COMMAND_TIMEOUT), self.pool.acquire() as conn, transaction(conn) as units:
            units.append(unit := await begin(conn, self.service.read_models))
            yield unit
            await unit.flush()
        self.on_commit(unit)

    async def give_way(self, longest: float) -> int:
        """Let the commands at hand go first, at most so many seconds. Answers how many batches of commands were handled
        so far, by which work can tell whether somebody waits for answers."""
        async with at_most(longest):
            await self._commands.rest()
        return self._commands.batches

    async def let_crowd_pass(self, longest: float) -> None:
        """Wait while commands come in many at a time, at most so many seconds: the machine is needed for them."""
        async with at_most(longest):
            await self._commands.calm()

    @property
    def crowded(self) -> bool:
        """Whether commands come in many at a time now."""
        return self._commands.crowded

    @property
    def _commands(self) -> GroupCommit:
        return self.inlets[f"{self.service.name}-commands"].commit

    async def ask(self, project: UUID, query: Query, answer: type[T]) -> T:
        """Ask another service. Raises Rejected for no, `bus.Unavailable` if it does not answer."""
        return await bus.ask(self.client, project, query, answer)

    def on_commit(self, unit: Unit) -> None:
        self.committed.set()
        if unit.told:
            if self.relay.active:
                self.publisher.know(unit.told)
            self.relay.wake.set()
        if unit.scheduled and self.timers:
            self.timers.wake.set()

    def open_inlet(self, kind: str, handlers: Mapping[Any, BatchHandler], stream: str | None) -> Inlet:
        """An inlet named `<service>-<kind>` with a group commit of its own; pulls from `stream` if there is one."""
        name = f"{self.service.name}-{kind}"
        commit = GroupCommit(self.pool, name, handlers, self.service.read_models, on_commit=self.on_commit)
        self.commits.append(commit)
        self.inlets[name] = inlet = Inlet(name, list(handlers), commit, self.client, self.settings.delays)
        if stream:
            commands = kind == "commands"
            receive = self.receive if commands else inlet.receive
            gather, most = _pulling(kind)
            self.pullers.append(Puller(self.client, stream, name, receive, gather, most))
        return inlet

    async def receive(self, raws: Sequence[Msg]) -> None:
        """Take what comes as commands: the service's own, and dead letters that go back to one of its inlets."""
        for raw in (raw for raw in raws if is_redelivery(raw)):
            await self.inlets[(raw.headers or {})[CONSUMER]].receive([raw])
        await self.inlets[f"{self.service.name}-commands"].receive([raw for raw in raws if not is_redelivery(raw)])


def _pulling(kind: str) -> tuple[Gather, int]:
    """How the messages of such an inlet are gathered, and how many are fetched at a time."""
    if kind == "commands":
        return Gather(COMMANDS_WAIT), FETCH
    if kind == "ingest":
        return Gather(FACTS_WAIT, MANY_PARCELS), FETCH_PARCELS
    return Gather(FACTS_WAIT), FETCH


def run(build: Build) -> None:
    """Run a service until SIGTERM or SIGINT. Exits 1 with one line on stderr if the settings are bad."""
    try:
        config = settings.load()
    except BadSettings as bad:
        sys.exit(f"godwit: {bad}")
    service = build(config)
    logging.configure(config, service.name)
    crash.arm(config.crash_at)
    gc.set_threshold(GC_THRESHOLD)
    uvloop.run(serve(service, config))


async def serve(service: Service, config: Settings, started: "asyncio.Future[Runtime] | None" = None) -> None:
    """Start everything, serve until told to stop, and drain: readiness off, no new messages, finish what runs."""
    async with AsyncExitStack() as stack:
        runtime = await _connect(stack, service, config)
        _open_inlets(runtime)
        stop_on_signals(runtime.stopping)
        async with asyncio.TaskGroup() as tasks:
            await runtime.broker.start()
            health = _serve_health(tasks, runtime)
            running = [tasks.create_task(work) for work in _work_of(runtime)]
            pulling = [tasks.create_task(puller.run()) for puller in runtime.pullers]
            log.info("service.started", service=service.name)
            if started:
                started.set_result(runtime)
            try:
                await runtime.stopping.wait()
                log.info("service.draining", service=service.name)
                await _stop_pulling(runtime, pulling)
            finally:
                await _end({*running, *pulling})
            if health:
                health.should_exit = True
    log.info("service.stopped", service=service.name)


@asynccontextmanager
async def open_pool(config: Settings) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """The service's pool. Its role has the service's schema as search_path, so SQL names tables without one."""
    pool = await asyncpg.create_pool(
        config.database_url,
        min_size=1,
        max_size=config.database_pool,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        timeout=10,
        command_timeout=COMMAND_TIMEOUT,
        reset=_keep_session,
    )
    try:
        yield pool
    finally:
        await _close(pool)


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Connections that nobody gives back are cut: Postgres rolls back what they had begun."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        log.warning("pool.connections_cut", after=CLOSE_SECONDS)


async def _keep_session(conn: object) -> None:
    """Nothing here leaves state in a session (locks end with their transaction), so none has to be reset."""


async def _connect(stack: AsyncExitStack, service: Service, config: Settings) -> Runtime:
    pool = await stack.enter_async_context(open_pool(config))
    broker = bus.make_broker(config.nats_url, f"godwit-{service.name}-{config.instance}")
    await broker.connect()
    stack.push_async_callback(broker.stop)
    return Runtime(service, config, pool, broker, bus.client_of(broker))


def _open_inlets(runtime: Runtime) -> None:
    service = runtime.service
    foreign: dict[Any, BatchHandler] = dict.fromkeys(service.foreign_events, _nothing_more) | dict(service.reactions)
    commands = dict(service.commands)
    runtime.open_inlet("commands", commands, "COMMANDS")
    if foreign:
        runtime.open_inlet("events", foreign, "EVENTS")
    if service.ingest:
        runtime.open_inlet("ingest", service.ingest, "INGEST")
    if service.timers:
        timers = runtime.open_inlet("timers", service.timers, None)
        runtime.timers = Timers(
            service.name,
            runtime.pool,
            list(service.timers),
            timers.commit,
            runtime.client,
            runtime.settings.delays,
        )
    bus.answer_queries(runtime.broker, service.name, service.queries, runtime.pool)


async def _nothing_more(unit: Unit, batch: Sequence[Any]) -> None:
    """An event that only read models are interested in."""


def _work_of(runtime: Runtime) -> list[Any]:
    work: list[Any] = [commit.run() for commit in runtime.commits]
    work.append(runtime.relay.run())
    if runtime.timers:
        work.append(runtime.timers.run())
    work.append(_tidy_inbox(runtime))
    return work + [loop(runtime) for loop in runtime.service.work]


async def _stop_pulling(runtime: Runtime, pulling: "Sequence[asyncio.Task[None]]") -> None:
    """Fetch no more messages; those at hand get DRAIN_SECONDS to finish, the rest comes back later."""
    for puller in runtime.pullers:
        puller.stop()
    await asyncio.wait(pulling, timeout=DRAIN_SECONDS)


async def _end(tasks: "Set[asyncio.Task[None]]") -> None:
    """However often they have to be told: code that is not ours may forget that it was cancelled."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=DEAF_SECONDS)


async def _tidy_inbox(runtime: Runtime) -> None:
    """Keep the inbox from growing for ever."""
    while True:
        try:
            more = await inbox.forget_old(runtime.pool)
        except BROKEN as broken:
            log.warning("inbox.not_tidied", error=repr(broken))
            more = False
        await asyncio.sleep(1 if more else TIDY_SECONDS)


def _serve_health(tasks: asyncio.TaskGroup, runtime: Runtime) -> HealthServer | None:
    config = runtime.settings
    if config.health_port is None:
        return None
    listener = listen(config.health_host, config.health_port)
    server = HealthServer(_checks(runtime))
    tasks.create_task(server.serve([listener]))
    return server


def _checks(runtime: Runtime) -> dict[str, Check]:
    runtime.checks |= {
        "database": partial(check_database, runtime.pool),
        "nats": partial(check_nats, runtime.client),
        "service": partial(_check_started, runtime),
    }
    return runtime.checks


async def check_database(pool: "asyncpg.Pool[asyncpg.Record]") -> str | None:
    try:
        await pool.fetchval("select 1", timeout=READY_TIMEOUT)
    except Exception as error:
        return repr(error)
    return None


async def check_nats(client: Client) -> str | None:
    return None if client.is_connected else "not connected"


async def _check_started(runtime: Runtime) -> str | None:
    if runtime.stopping.is_set():
        return "stopping"
    return None if all(puller.pulling for puller in runtime.pullers) else "not pulling from the streams"


def stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
