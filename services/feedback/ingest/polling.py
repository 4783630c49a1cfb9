"""Takes notifications from the SQS queue, as long as the process runs.

A message is deleted only once its notification is stored. Whatever goes wrong before that, it comes again; it goes the
same way as what the gateway hands on, so it does not matter whether, or how often, it arrives on both.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope, Meta
from libs.runtime.messaging.group_commit import GroupCommit
from libs.runtime.process.runtime import Runtime
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications
from services.feedback.ingest import metrics, queue
from services.feedback.ingest.backlog import Backlog
from services.feedback.ingest.intake import NO_PROJECT
from services.feedback.ingest.queue import Foreign, Message, Queue

log = structlog.get_logger()

T = TypeVar("T")
FIRST_REST, LONGEST_REST = 1.0, 30.0
"""Seconds between tries while the queue or the database cannot be reached."""


def polling(url: str, backlog: Backlog) -> Callable[[Runtime], Awaitable[None]]:
    """The work of polling the queue with as many receives at once as the settings want."""

    async def poll_queue(runtime: Runtime) -> None:
        config = runtime.settings
        client = await asyncio.to_thread(queue.connect, config, url)
        commit = runtime.consumers["feedback-ingest"].commit
        async with asyncio.TaskGroup() as tasks:
            for _ in range(config.sqs_pollers):
                tasks.create_task(Poller(client, commit, config.topic_arns, backlog).run())

    return poll_queue


class Poller:
    """Receives, stores and deletes, one receive at a time."""

    def __init__(self, client: Queue, commit: GroupCommit, topics: frozenset[str], backlog: Backlog) -> None:
        self._queue = client
        self._commit = commit
        self._topics = topics
        self._backlog = backlog
        self._rest = FIRST_REST

    async def run(self) -> None:
        while True:
            try:
                await self._take(await self._receive())
                self._rest = FIRST_REST
            except Exception as error:  # SQS, credentials, the database, the network: all of them may come back
                metrics.QUEUED.labels("failed").inc()
                log.warning("queue.failed", retry_in=self._rest, error=repr(error))
                await asyncio.sleep(self._rest)
                self._rest = min(2 * self._rest, LONGEST_REST)

    async def _receive(self) -> Sequence[Message]:
        try:
            messages = await in_thread(self._queue.receive)
        except Exception:
            self._backlog.unreachable()
            raise
        self._backlog.received(all_there_was=len(messages) < queue.MAX_AT_ONCE)
        return messages

    async def _take(self, messages: Sequence[Message]) -> None:
        told = self._told(messages)
        if not told:
            return
        notifications = RecordNotifications(notifications=[notification for _, notification in told])
        try:
            await self._commit.submit(
                Envelope(id=uuid7(), project=NO_PROJECT, message=notifications, at=now(), meta=Meta(actor="sqs"))
            )
        except Exception:
            self._backlog.not_stored()
            raise
        metrics.QUEUED.labels("taken").inc(len(told))
        if left := await in_thread(self._queue.delete, [message for message, _ in told]):
            log.info("queue.not_deleted", messages=left)

    def _told(self, messages: Sequence[Message]) -> list[tuple[Message, RecordNotification]]:
        """The messages of our topics. What is foreign is left to the queue, and in the end to its dead-letter queue."""
        told = []
        for message in messages:
            try:
                told.append((message, queue.notification_of(message, self._topics)))
            except Foreign as foreign:
                metrics.QUEUED.labels("foreign").inc()
                log.warning("queue.foreign_topic", topic=str(foreign))
        return told


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Run blocking work in a thread that nobody waits for when the process stops: a receive may take long."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work(*arguments)
        except Exception as error:
            answer = partial(_fail, done, error)
        else:
            answer = partial(_succeed, done, result)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(answer)

    threading.Thread(target=run, daemon=True, name="sqs").start()
    return await done


def _succeed(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
