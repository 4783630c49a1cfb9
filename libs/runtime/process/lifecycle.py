"""The lifecycle of a service's process, from start to drain."""

import asyncio
import gc
import resource
import signal
import sys
from collections.abc import Sequence, Set
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop
from faststream.nats import NatsBroker
from nats.errors import ConnectionReconnectingError

from libs.runtime import crash
from libs.runtime.eventstore.store import (
    BatchHandler,
    UnitOfWork,
)
from libs.runtime.messaging import bus, inbox
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.messaging.query_server import answer_queries
from libs.runtime.process import logging, settings
from libs.runtime.process.database import open_pool, open_query_pool
from libs.runtime.process.readiness import serve_health
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Build, Service
from libs.runtime.process.settings import BadSettings, Settings
from libs.runtime.process.timers import Timers
from libs.runtime.process.watchdog import watched

log = structlog.get_logger()
DRAIN_SECONDS = 10.0
SLOW_DRAIN_SECONDS = 5.0
"""Time for slow commands that were started to finish after that."""

CANCEL_SECONDS = 25.0
"""Time for cancelled work to finish, before it is cancelled again."""
MAX_FILES = 65_536

GC_THRESHOLD = 20_000
"""Allocations between two collections. Messages create many short-lived objects and no cycles: Python's default of 700
costs several percent."""
CLEANUP_SECONDS = 3600.0


def run(build: Build) -> None:
    """Run a service until SIGTERM or SIGINT. Exit with 1 and one line on stderr if the settings are invalid."""
    try:
        config = settings.load()
        service = build(config)
    except BadSettings as bad:
        sys.exit(f"godwit: {bad}")
    logging.configure(config, service.name)
    crash.arm(config.crash_at)
    raise_file_limit()
    gc.set_threshold(GC_THRESHOLD)
    uvloop.run(_serve_watched(service, config))


async def _serve_watched(service: Service, config: Settings) -> None:
    async with watched(config.stall_seconds):
        await serve(service, config)


async def serve(service: Service, config: Settings, started: "asyncio.Future[Runtime] | None" = None) -> None:
    """Start everything, serve until stopped, and drain: not ready, no new messages, finish the running ones."""
    async with AsyncExitStack() as stack:
        runtime = await _connect(stack, service, config)
        _open_consumers(runtime)
        stop_on_signals(runtime.stopping)
        async with asyncio.TaskGroup() as tasks:
            await runtime.broker.start()
            health = serve_health(tasks, runtime)
            running = [tasks.create_task(work) for work in _background_work(runtime)]
            pulling = [tasks.create_task(pull_loop.run()) for pull_loop in runtime.pull_loops]
            log.info("service.started", service=service.name)
            if started:
                started.set_result(runtime)
            try:
                await runtime.stopping.wait()
                log.info("service.draining", service=service.name)
                await _stop_pulling(runtime, pulling)
            finally:
                await _cancel({*running, *pulling})
            if health:
                health.should_exit = True
    log.info("service.stopped", service=service.name)


def raise_file_limit() -> None:
    """Open as many files as the machine allows: shells often allow a process less than its connections need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _connect(stack: AsyncExitStack, service: Service, config: Settings) -> Runtime:
    pool = await stack.enter_async_context(open_pool(config))
    query_pool = await stack.enter_async_context(open_query_pool(service.name, config))
    broker = bus.make_broker(config.nats_url, service.name, config.instance)
    await broker.connect()
    stack.push_async_callback(_disconnect, broker)
    return Runtime(service, config, pool, query_pool, broker, bus.client_of(broker))


async def _disconnect(broker: NatsBroker) -> None:
    """Drain and close the connection to the bus, or only close it if it is lost right now."""
    try:
        await broker.stop()
    except ConnectionReconnectingError:
        await bus.client_of(broker).close()


def _open_consumers(runtime: Runtime) -> None:
    service = runtime.service
    foreign: dict[Any, BatchHandler] = dict.fromkeys(service.foreign_events, _only_fold) | dict(service.reactions)
    commands = dict(service.commands)
    runtime.open_consumer("commands", commands, "COMMANDS")
    if foreign:
        runtime.open_consumer("events", foreign, "EVENTS")
    if service.ingest:
        runtime.open_consumer("ingest", service.ingest, "INGEST")
    if service.timers:
        timers = runtime.open_consumer("timers", service.timers, None)
        runtime.timers = Timers(
            service.name,
            runtime.pool,
            list(service.timers),
            timers.commit,
            runtime.client,
            runtime.settings.delays,
            runtime.suspects,
        )
    answer_queries(runtime.broker, service.name, service.queries, runtime.query_pool)


async def _only_fold(unit: UnitOfWork, batch: Sequence[Any]) -> None:
    """Do nothing: only read models use these events."""


def _background_work(runtime: Runtime) -> list[Any]:
    work: list[Any] = [commit.run() for commit in runtime.commits]
    work.append(runtime.relay.run())
    if runtime.timers:
        work.append(runtime.timers.run())
    work.append(_clean_inbox(runtime))
    return work + [loop(runtime) for loop in runtime.service.work]


async def _stop_pulling(runtime: Runtime, pulling: "Sequence[asyncio.Task[None]]") -> None:
    """Stop fetching, and give fetched messages DRAIN_SECONDS to finish. The others are redelivered later."""
    for pull_loop in runtime.pull_loops:
        pull_loop.stop()
    await asyncio.wait(pulling, timeout=DRAIN_SECONDS)
    await asyncio.gather(*(consumer.drain(SLOW_DRAIN_SECONDS) for consumer in runtime.consumers.values()))


async def _cancel(tasks: "Set[asyncio.Task[None]]") -> None:
    """Cancel tasks until they end: code that is not ours may swallow a cancellation."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=CANCEL_SECONDS)


async def _clean_inbox(runtime: Runtime) -> None:
    """Delete old records of the inbox."""
    while True:
        try:
            more = await inbox.delete_old(runtime.pool)
            await runtime.suspects.forget_old()
        except CONNECTION_ERRORS as broken:
            log.warning("inbox.cleanup_failed", error=repr(broken))
            more = False
        await asyncio.sleep(1 if more else CLEANUP_SECONDS)


def stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
