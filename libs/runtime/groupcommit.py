"""Group commit: what arrived while the last transaction ran goes into the next one.

A batch that fails is run again one message at a time, so that one bad message never takes others down. A connection
that breaks during COMMIT leaves the outcome unknown; running the batch again asks the database, because the inbox
says which messages landed.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import structlog

from libs.runtime import crash, inbox, metrics
from libs.runtime.envelope import Envelope
from libs.runtime.store import BatchHandler, Connection, ReadModel, StreamConflict, Unit, begin, fold
from libs.schemas.base import Event, Message

log = structlog.get_logger()

CONFLICTS = (
    StreamConflict,
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)
BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # the server is stopping, starting, or ended our session
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""The database cannot be reached for now; what was asked of it may or may not have happened."""

ATTEMPTS = 4
COMMAND_TIMEOUT = 20.0


class Work(msgspec.Struct, frozen=True):
    """One message waiting for its transaction. `place` is its position in the stream that it came from."""

    envelope: Envelope[Any]
    place: int
    done: "asyncio.Future[bytes | None]"


def _nothing() -> None:
    pass


class GroupCommit:
    """Runs messages through their handlers, many to a transaction, in the order of their stream.

    `submit` returns the reply after the commit; for a message that was handled before, the stored reply. It raises
    what the handler raised if the message fails on its own, and then nothing of it was written.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        consumer: str,
        handlers: Mapping[type[Message], BatchHandler],
        read_models: Sequence[ReadModel],
        *,
        on_commit: Callable[[], None] = _nothing,
        max_batch: int = 256,
    ) -> None:
        self._pool = pool
        self._consumer = consumer
        self._handlers = handlers
        self._models = read_models
        self._on_commit = on_commit
        self._max_batch = max_batch
        self._waiting: deque[Work] = deque()
        self._wake = asyncio.Event()

    async def submit(self, envelope: Envelope[Any], place: int = 0) -> bytes | None:
        work = Work(envelope, place, asyncio.get_running_loop().create_future())
        self._waiting.append(work)
        self._wake.set()
        return await work.done

    async def run(self) -> None:
        """Commit batches until cancelled. Callers bound the queue: each waits for its answer before it asks again."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._commit(self._next_batch())

    def _next_batch(self) -> list[Work]:
        size = min(self._max_batch, len(self._waiting))
        return sorted((self._waiting.popleft() for _ in range(size)), key=lambda work: work.place)

    async def _commit(self, batch: list[Work]) -> None:
        try:
            answers = await self._transact([work.envelope for work in batch])
        except asyncio.CancelledError:
            for work in batch:
                work.done.cancel()
            raise
        except Exception as failure:
            await self._commit_singly(batch, failure)
            return
        for work in batch:
            _settle(work, answers.get(work.envelope.id))

    async def _commit_singly(self, batch: list[Work], failure: Exception) -> None:
        log.warning("commit.batch_failed", consumer=self._consumer, size=len(batch), error=repr(failure))
        metrics.BATCH_RETRIES.labels(self._consumer).inc()
        for work in batch:
            try:
                answers = await self._persist(work.envelope)
            except Exception as error:
                _fail(work, error)
            else:
                _settle(work, answers.get(work.envelope.id))

    async def _persist(self, envelope: Envelope[Any]) -> dict[Any, bytes | None]:
        """Try one message a few times: after a conflict another was first, after a broken connection ask again."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._transact([envelope])
            except (*CONFLICTS, *BROKEN) as failure:
                log.info("commit.again", consumer=self._consumer, attempt=attempt, error=repr(failure))
                await asyncio.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
        return await self._transact([envelope])

    async def _transact(self, batch: Sequence[Envelope[Any]]) -> dict[Any, bytes | None]:
        async with asyncio.timeout(COMMAND_TIMEOUT), self._pool.acquire() as conn:
            async with conn.transaction():
                answers = await self._run_unit(conn, batch)
                crash.point("before_commit")
            crash.point("after_commit_before_reply")
        self._on_commit()
        metrics.COMMITS.labels(self._consumer).inc()
        metrics.COMMITTED.labels(self._consumer).inc(len(batch))
        return answers

    async def _run_unit(self, conn: Connection, batch: Sequence[Envelope[Any]]) -> dict[Any, bytes | None]:
        unit = await begin(conn, self._models)
        ids = [envelope.id for envelope in batch]
        fresh = await inbox.remember(conn, self._consumer, ids)
        seen = [known for known in ids if known not in fresh]
        answers: dict[Any, bytes | None] = await inbox.replies(conn, self._consumer, seen) if seen else {}
        new = _each_once(envelope for envelope in batch if envelope.id in fresh)
        replied = await handle(unit, new, self._handlers, self._models)
        await inbox.keep(conn, self._consumer, replied)
        return {**answers, **replied}


async def handle(
    unit: Unit,
    batch: Sequence[Envelope[Any]],
    handlers: Mapping[type[Message], BatchHandler],
    read_models: Sequence[ReadModel],
) -> dict[Any, bytes]:
    """Fold foreign facts into the read models, then give each handler its messages and write what follows."""
    await fold(unit.conn, read_models, [e for e in batch if isinstance(e.message, Event)])
    replied: dict[Any, bytes] = {}
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


def _settle(work: Work, answer: bytes | None) -> None:
    if not work.done.done():
        work.done.set_result(answer)


def _fail(work: Work, error: Exception) -> None:
    if not work.done.done():
        work.done.set_exception(error)
