"""Group commit: what arrived while the last transaction ran goes into the next one.

A batch that fails is run again one message at a time, so that one bad message never takes others down. A connection
that breaks during COMMIT leaves the outcome unknown; running the batch again asks the database, because the inbox
says which messages landed.
"""

import asyncio
import random
import time
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
    asyncpg.OperatorInterventionError,  # the server is stopping, starting, or ended our session
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""The database cannot be reached for now; what was asked of it may or may not have happened."""

ATTEMPTS = 4
MAX_TRANSACTION_BYTES = 1024 * 1024
"""Of messages for one transaction. A message may stand for a thousand rows: without this a backlog of such would be one
transaction that takes minutes and gigabytes, or never ends."""

COMMAND_TIMEOUT = 20.0

BACKPRESSURE_MESSAGES = 12
"""Messages in one transaction from which on they come faster than one transaction after the other takes them."""

BACKPRESSURE_MEMORY_SECONDS = 0.25
"""How long a crowd is remembered: between two transactions few wait, because those of the last are being answered."""

MAX_BACKPRESSURE_SECONDS = 10.0
"""Seconds after which it is no crowd any more, but the usual load: nobody should wait for its end."""


class QueuedMessage(msgspec.Struct, frozen=True):
    """A message for a transaction. `place` is its position in the stream that it came from, `size` how many bytes it
    had."""

    envelope: Envelope[Any]
    sequence: int = 0
    size: int = 0


Outcome: TypeAlias = bytes | Exception | None
"""The reply to a message, if it has one; or why it could not be handled, and then nothing of it was written."""


class Submission(msgspec.Struct, frozen=True):
    """Messages that were handed in together and are answered together."""

    items: Sequence[QueuedMessage]
    done: "asyncio.Future[list[Outcome]]"

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


def _nothing(_: UnitOfWork) -> None:
    pass


class GroupCommit:
    """Runs messages through their handlers, many to a transaction, in the order of their stream.

    A message that was handled before gets its stored reply. Callers bound the queue: each waits for its answers before
    it hands in more.
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
        self._backpressure_since = self._backpressure_until = 0.0
        self.batches = 0
        """How many were committed, or tried, so far."""

    async def until_backpressure_ends(self) -> None:
        """Wait until messages have not been coming many at a time for a moment, or have for long."""
        while (left := self._backpressure_left()) > 0:  # noqa: ASYNC110 - the end moves meanwhile
            await asyncio.sleep(left)

    @property
    def has_backpressure(self) -> bool:
        return self._backpressure_left() > 0

    def _backpressure_left(self) -> float:
        return min(self._backpressure_until, self._backpressure_since + MAX_BACKPRESSURE_SECONDS) - time.monotonic()

    def _note_backpressure(self) -> None:
        now = time.monotonic()
        if now > self._backpressure_until:
            self._backpressure_since = now
        self._backpressure_until = now + BACKPRESSURE_MEMORY_SECONDS

    async def wait_until_idle(self) -> None:
        """Wait until nothing is at hand."""
        await self._idle.wait()

    async def submit(self, envelope: Envelope[Any]) -> bytes | None:
        """Handle one message; its reply comes after the commit. Raises what its handler raised."""
        [outcome] = await self.submit_all([QueuedMessage(envelope)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def submit_all(self, items: Sequence[QueuedMessage]) -> list[Outcome]:
        """Handle messages; each has its own outcome, after the commit."""
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
        if len(items) >= BACKPRESSURE_MESSAGES:
            self._note_backpressure()
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
        return {envelope.id: await self._outcome(envelope) for envelope in batch}

    async def _outcome(self, envelope: Envelope[Any]) -> Outcome:
        try:
            return (await self._persist(envelope)).get(envelope.id)
        except Rejected as no:
            return encode(no.as_reply()) if isinstance(envelope.message, Command) else no
        except Exception as error:
            return error

    async def _persist(self, envelope: Envelope[Any]) -> dict[UUID, bytes | None]:
        """Try one message a few times: after a conflict another was first, after a broken connection ask again."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._transact([envelope])
            except (*CONFLICT_ERRORS, *CONNECTION_ERRORS) as failure:
                log.info("commit.again", consumer=self._consumer, attempt=attempt, error=repr(failure))
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
        return await self._transact([envelope])

    async def _transact(self, batch: Sequence[Envelope[Any]]) -> dict[UUID, bytes | None]:
        async with asyncio.timeout(COMMAND_TIMEOUT), self._pool.acquire() as conn:
            async with transaction(conn) as units:
                unit, fresh = await inbox.begin(conn, self._models, self._consumer, [each.id for each in batch])
                units.append(unit)
                answers = await self._run_unit(unit, batch, fresh)
                crash.point("before_commit")
            crash.point("after_commit_before_reply")
        self._on_commit(unit)
        metrics.COMMITS.labels(self._consumer).inc()
        metrics.COMMITTED.labels(self._consumer).inc(len(batch))
        return answers

    async def _run_unit(
        self, unit: UnitOfWork, batch: Sequence[Envelope[Any]], fresh: Collection[UUID]
    ) -> dict[UUID, bytes | None]:
        conn = unit.conn
        seen = [envelope.id for envelope in batch if envelope.id not in fresh]
        answers: dict[UUID, bytes | None] = await inbox.load_replies(conn, self._consumer, seen) if seen else {}
        new = _each_once(envelope for envelope in batch if envelope.id in fresh)
        replied = await handle(unit, new, self._handlers, self._models)
        await inbox.store_replies(conn, self._consumer, replied)
        return {**answers, **replied}


async def handle(
    unit: UnitOfWork,
    batch: Sequence[Envelope[Any]],
    handlers: Mapping[type[Message], BatchHandler],
    read_models: Sequence[ReadModel],
) -> dict[UUID, bytes]:
    """Fold foreign facts into the read models, then give each handler its messages and write what follows."""
    await fold(unit.conn, read_models, [e for e in batch if isinstance(e.message, Event)])
    replied: dict[UUID, bytes] = {}
    for handler, messages in _by_handler(batch, handlers):
        answers = await handler(unit, messages)
        await unit.flush()
        if answers is not None:
            replied |= {e.id: answer for e, answer in zip(messages, answers, strict=True)}
    return replied


def _by_handler(
    batch: Sequence[Envelope[Any]], handlers: Mapping[type[Message], BatchHandler]
) -> list[tuple[BatchHandler, list[Envelope[Any]]]]:
    """Messages by their handler. Types that share a handler share an aggregate, so their order is kept."""
    groups: dict[int, tuple[BatchHandler, list[Envelope[Any]]]] = {}
    for envelope in batch:
        handler = handlers.get(type(envelope.message))
        if handler is not None:
            groups.setdefault(id(handler), (handler, []))[1].append(envelope)
    return list(groups.values())


def _each_once(batch: Any) -> list[Envelope[Any]]:
    """A redelivery can put one message into a batch twice; it is handled once."""
    return list({envelope.id: envelope for envelope in batch}.values())
