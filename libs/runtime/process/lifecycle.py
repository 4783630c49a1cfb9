"""The life of a service's process, from start to drain."""

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence, Set
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop

from libs.runtime import crash
from libs.runtime.eventstore.store import (
    BatchHandler,
    UnitOfWork,
)
from libs.runtime.messaging import bus, inbox
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.process import logging, settings
from libs.runtime.process.database import open_pool
from libs.runtime.process.readiness import _serve_health
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Build, Service
from libs.runtime.process.settings import BadSettings, Settings
from libs.runtime.process.timers import Timers

log = structlog.get_logger()
DRAIN_SECONDS = 10.0
DEAF_SECONDS = 25.0
"""After which work that was cancelled, and goes on, is no longer finishing what it has at hand."""
GC_THRESHOLD = 20_000
"""Allocations between two collections. Messages make many short-lived objects and no cycles: looking for them at
Python's usual 700 costs several percent."""
TIDY_SECONDS = 3600.0


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
        _open_consumers(runtime)
        stop_on_signals(runtime.stopping)
        async with asyncio.TaskGroup() as tasks:
            await runtime.broker.start()
            health = _serve_health(tasks, runtime)
            running = [tasks.create_task(work) for work in _work_of(runtime)]
            pulling = [tasks.create_task(pull_loop.run()) for pull_loop in runtime.pull_loops]
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


async def _connect(stack: AsyncExitStack, service: Service, config: Settings) -> Runtime:
    pool = await stack.enter_async_context(open_pool(config))
    broker = bus.make_broker(config.nats_url, f"godwit-{service.name}-{config.instance}")
    await broker.connect()
    stack.push_async_callback(broker.stop)
    return Runtime(service, config, pool, broker, bus.client_of(broker))


def _open_consumers(runtime: Runtime) -> None:
    service = runtime.service
    foreign: dict[Any, BatchHandler] = dict.fromkeys(service.foreign_events, _nothing_more) | dict(service.reactions)
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
        )
    bus.answer_queries(runtime.broker, service.name, service.queries, runtime.pool)


async def _nothing_more(unit: UnitOfWork, batch: Sequence[Any]) -> None:
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
    for pull_loop in runtime.pull_loops:
        pull_loop.stop()
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
            more = await inbox.delete_old(runtime.pool)
        except CONNECTION_ERRORS as broken:
            log.warning("inbox.not_tidied", error=repr(broken))
            more = False
        await asyncio.sleep(1 if more else TIDY_SECONDS)


def stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
