"""Polls the SQS queue for notifications while the process runs.

A message is deleted only once its notification is stored; whatever fails before that, the message comes again.
Notifications are recorded in the same way as those from the gateway, so it does not matter whether one arrives on both
paths, or how often.
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
from services.feedback.ingest import metrics, sqs_queue
from services.feedback.ingest.backlog import Backlog
from services.feedback.ingest.intake import NO_PROJECT
from services.feedback.ingest.sqs_queue import ForeignTopic, SqsMessage, SqsQueue

log = structlog.get_logger()

T = TypeVar("T")
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 30.0
"""Time between attempts while the queue or the database cannot be reached."""


def polling(url: str, backlog: Backlog) -> Callable[[Runtime], Awaitable[None]]:
    """Return the loop that polls the queue, with as many concurrent pollers as the settings say."""

    async def poll_queue(runtime: Runtime) -> None:
        config = runtime.settings
        queue = await asyncio.to_thread(sqs_queue.connect, config, url)
        commit = runtime.consumers["feedback-ingest"].commit
        async with asyncio.TaskGroup() as tasks:
            for _ in range(config.sqs_pollers):
                tasks.create_task(Poller(queue, commit, config.topic_arns, backlog).run())

    return poll_queue


class Poller:
    """Receives, stores and deletes, one receive at a time."""

    def __init__(self, queue: SqsQueue, commit: GroupCommit, topics: frozenset[str], backlog: Backlog) -> None:
        self._queue = queue
        self._commit = commit
        self._topics = topics
        self._backlog = backlog
        self._retry_in = MIN_RETRY_SECONDS

    async def run(self) -> None:
        while True:
            try:
                await self._store(await self._receive())
                self._retry_in = MIN_RETRY_SECONDS
            except Exception as error:  # SQS, credentials, the database, the network: all of them may recover
                metrics.QUEUE_MESSAGES.labels("failed").inc()
                log.warning("queue.failed", retry_in=self._retry_in, error=repr(error))
                await asyncio.sleep(self._retry_in)
                self._retry_in = min(2 * self._retry_in, MAX_RETRY_SECONDS)

    async def _receive(self) -> Sequence[SqsMessage]:
        try:
            messages = await in_thread(self._queue.receive)
        except Exception:
            self._backlog.unreachable()
            raise
        self._backlog.received(emptied=len(messages) < sqs_queue.MAX_MESSAGES)
        return messages

    async def _store(self, messages: Sequence[SqsMessage]) -> None:
        received = self._of_our_topics(messages)
        if not received:
            return
        notifications = RecordNotifications(notifications=[notification for _, notification in received])
        try:
            await self._commit.submit(
                Envelope(id=uuid7(), project=NO_PROJECT, message=notifications, at=now(), meta=Meta(actor="sqs"))
            )
        except Exception:
            self._backlog.not_stored()
            raise
        metrics.QUEUE_MESSAGES.labels("taken").inc(len(received))
        if remaining := await in_thread(self._queue.delete, [message for message, _ in received]):
            log.info("queue.not_deleted", messages=remaining)

    def _of_our_topics(self, messages: Sequence[SqsMessage]) -> list[tuple[SqsMessage, RecordNotification]]:
        """Return the messages of topics on the list, and what they say.

        The others stay in the queue, which moves them to its dead-letter queue in the end.
        """
        found = []
        for message in messages:
            try:
                found.append((message, sqs_queue.notification_of(message, self._topics)))
            except ForeignTopic as foreign:
                metrics.QUEUE_MESSAGES.labels("foreign").inc()
                log.warning("queue.foreign_topic", topic=str(foreign))
        return found


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Run blocking work in a thread that a stopping process does not wait for, since a receive may take long."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work(*arguments)
        except Exception as error:
            settle = partial(_fail, done, error)
        else:
            settle = partial(_succeed, done, result)
        with suppress(RuntimeError):  # the loop is closed, so nothing waits for the result
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, daemon=True, name="sqs").start()
    return await done


def _succeed(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[Any]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
