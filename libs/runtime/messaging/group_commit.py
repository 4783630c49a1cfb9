"""Group commit: the messages that arrive while a transaction runs are handled together in the next one.

A batch that fails is retried one message at a time, so that a bad message does not affect the others. If the
connection breaks during COMMIT, the outcome is unknown; the retry finds out, because the inbox says which messages were
committed.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import structlog

from libs.kernel.rejection import Rejected
from libs.runtime import crash, metrics
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import (
    BatchHandler,
    ReadModel,
    StreamConflict,
    UnitOfWork,
    fold,
    transaction,
)
from libs.runtime.messaging import inbox
from libs.runtime.messaging.backpressure import Backpressure
from libs.schemas.base import Command, Event, Message

log = structlog.get_logger()

CONFLICT_ERRORS = (
    StreamConflict,
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)
CONNECTION_ERRORS = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # the server is stopping or starting, or ended our session
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # our session was ended, and asyncpg has read why but not yet that it is closed
    OSError,
    TimeoutError,
)
"""The database cannot be reached now; the statement may or may not have been executed."""

ATTEMPTS = 4
MAX_TRANSACTION_BYTES = 1024 * 1024
"""Size of the messages in one transaction. A message may write a thousand rows; without this limit a backlog of such
messages would be a transaction that takes minutes and gigabytes, or never ends."""

COMMAND_TIMEOUT = 20.0


class QueuedMessage(msgspec.Struct, frozen=True):
    """A message for a transaction, with its sequence in its stream and its size in bytes."""

    envelope: Envelope[Any]
    sequence: int = 0
    size: int = 0


Outcome: TypeAlias = bytes | Exception | None
"""The reply to a message, if it has one, or the exception with which it failed; then nothing was written."""


class Submission(msgspec.Struct, frozen=True):
    """Messages that were submitted together and are completed together."""

    items: Sequence[QueuedMessage]
    done: "asyncio.Future[list[Outcome]]"

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


def _nothing(_: UnitOfWork) -> None:
    pass


class GroupCommit:
    """A queue of messages that are handled many per transaction, in the order of their stream.

    A message that was handled before gets its stored reply. Callers bound the queue: each waits for its outcomes before
    it submits more.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        consumer: str,
        handlers: Mapping[type[Message], BatchHandler],
        read_models: Sequence[ReadModel],
        *,
        on_commit: Callable[[UnitOfWork], None] = _nothing,
        max_batch: int = 500,
    ) -> None:
        self._pool = pool
        self._consumer = consumer
        self._handlers = handlers
        self._models = read_models
        self._on_commit = on_commit
        self._max_batch = max_batch
        self._queue: deque[Submission] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.backpressure = Backpressure()
        self.batches = 0
        """The number of batches that were committed or tried so far."""

    async def wait_until_idle(self) -> None:
        """Wait until the queue is empty and nothing is running."""
        await self._idle.wait()

    async def submit(self, envelope: Envelope[Any]) -> bytes | None:
        """Handle one message and return its reply after the commit. Raise what its handler raised."""
        [outcome] = await self.submit_all([QueuedMessage(envelope)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def submit_all(self, items: Sequence[QueuedMessage]) -> list[Outcome]:
        """Handle messages and return the outcome of each after the commit."""
        submission = Submission(items, asyncio.get_running_loop().create_future())
        self._queue.append(submission)
        self._idle.clear()
        self._wake.set()
        return await submission.done

    async def run(self) -> None:
        """Commit batches until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._commit(self._next_batch())
                self.batches += 1
            self._idle.set()

    def _next_batch(self) -> list[Submission]:
        submissions = [self._queue.popleft()]
        count, size = len(submissions[0].items), submissions[0].size
        while self._queue:
            following = self._queue[0]
            count, size = count + len(following.items), size + following.size
            if count > self._max_batch or size > MAX_TRANSACTION_BYTES:
                break
            submissions.append(self._queue.popleft())
        return submissions

    async def _commit(self, submissions: Sequence[Submission]) -> None:
        items = sorted(
            (item for submission in submissions for item in submission.items), key=lambda item: item.sequence
        )
        self.backpressure.note(len(items))
        try:
            outcomes = await self._outcomes([item.envelope for item in items])
        except asyncio.CancelledError:
            for submission in submissions:
                submission.done.cancel()
            raise
        for submission in submissions:
            if not submission.done.done():
                submission.done.set_result([outcomes.get(item.envelope.id) for item in submission.items])

    async def _outcomes(self, batch: Sequence[Envelope[Any]]) -> dict[UUID, Outcome]:
        try:
            return {**await self._transact(batch)}
        except Exception as failure:
            log.warning("commit.batch_failed", consumer=self._consumer, size=len(batch), error=repr(failure))
            metrics.BATCH_RETRIES.labels(self._consumer).inc()
        return {envelope.id: await self.handle_alone(envelope) for envelope in batch}

    async def handle_alone(self, envelope: Envelope[Any]) -> Outcome:
        """Handle one message in a transaction of its own, now, and return its outcome."""
        try:
            return (await self._persist(envelope)).get(envelope.id)
        except Rejected as rejected:
            return encode(rejected.as_reply()) if isinstance(envelope.message, Command) else rejected
        except Exception as error:
            return error

    async def _persist(self, envelope: Envelope[Any]) -> dict[UUID, bytes | None]:
        """Handle one message, with retries after a conflict or a broken connection."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._transact([envelope])
            except (*CONFLICT_ERRORS, *CONNECTION_ERRORS) as failure:
                log.info("commit.retry", consumer=self._consumer, attempt=attempt, error=repr(failure))
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
        return await self._transact([envelope])

    async def _transact(self, batch: Sequence[Envelope[Any]]) -> dict[UUID, bytes | None]:
        async with asyncio.timeout(COMMAND_TIMEOUT), self._pool.acquire() as conn:
            async with transaction(conn) as units:
                unit, fresh = await inbox.begin(conn, self._models, self._consumer, [each.id for each in batch])
                units.append(unit)
                replies = await self._run_unit(unit, batch, fresh)
                crash.point("before_commit")
            crash.point("after_commit_before_reply")
        self._on_commit(unit)
        metrics.COMMITS.labels(self._consumer).inc()
        metrics.COMMITTED.labels(self._consumer).inc(len(batch))
        return replies

    async def _run_unit(
        self, unit: UnitOfWork, batch: Sequence[Envelope[Any]], fresh: Collection[UUID]
    ) -> dict[UUID, bytes | None]:
        conn = unit.conn
        seen = [envelope.id for envelope in batch if envelope.id not in fresh]
        stored: dict[UUID, bytes | None] = await inbox.load_replies(conn, self._consumer, seen) if seen else {}
        unhandled = _unique(envelope for envelope in batch if envelope.id in fresh)
        replies = await handle(unit, unhandled, self._handlers, self._models)
        await inbox.store_replies(conn, self._consumer, replies)
        return {**stored, **replies}


async def handle(
    unit: UnitOfWork,
    batch: Sequence[Envelope[Any]],
    handlers: Mapping[type[Message], BatchHandler],
    read_models: Sequence[ReadModel],
) -> dict[UUID, bytes]:
    """Fold other services' events into the read models, then run each handler and write the events that it appends."""
    await fold(unit.conn, read_models, [e for e in batch if isinstance(e.message, Event)])
    replies: dict[UUID, bytes] = {}
    for handler, messages in _by_handler(batch, handlers):
        returned = await handler(unit, messages)
        await unit.flush()
        if returned is not None:
            replies |= {e.id: reply for e, reply in zip(messages, returned, strict=True)}
    return replies


def _by_handler(
    batch: Sequence[Envelope[Any]], handlers: Mapping[type[Message], BatchHandler]
) -> list[tuple[BatchHandler, list[Envelope[Any]]]]:
    """Group messages by handler. Types that share a handler share an aggregate, so their order is preserved."""
    groups: dict[int, tuple[BatchHandler, list[Envelope[Any]]]] = {}
    for envelope in batch:
        handler = handlers.get(type(envelope.message))
        if handler is not None:
            groups.setdefault(id(handler), (handler, []))[1].append(envelope)
    return list(groups.values())


def _unique(batch: Any) -> list[Envelope[Any]]:
    """Drop duplicates: a redelivery can put a message into a batch twice."""
    return list({envelope.id: envelope for envelope in batch}.values())
