"""Timers: rows with a due time, each handled once when the database's clock reaches it.

A claimed timer is leased, so that a crash delays it but does not lose it. Its effects and its inbox row are committed
together, so that a second replica or a retry does nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from nats.aio.client import Client

from libs.runtime import metrics
from libs.runtime.clock import now
from libs.runtime.eventstore.codec import Codec
from libs.runtime.eventstore.envelope import Envelope, meta_of
from libs.runtime.messaging.consumer import FailedMessage, dead_letter
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS, GroupCommit
from libs.runtime.messaging.suspects import ProcessDied, Suspects, is_suspect
from libs.runtime.timeouts import soft_timeout
from libs.schemas.base import Message

log = structlog.get_logger()

BATCH = 100
MAX_SLEEP_SECONDS = 1.0
LEASE_SECONDS = 30

# statement_timestamp() is stable; with clock_timestamp(), which is volatile, Postgres cannot use the index.
CLAIM = """
with due as materialized (
    select id from timers where due_at <= statement_timestamp() order by due_at limit $1 for update skip locked
)
update timers set due_at = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
from due where timers.id = due.id
returning timers.id, timers.project, timers.name, timers.key, timers.payload, timers.meta, timers.attempts
"""
DONE = "delete from timers where id = any($1::uuid[])"
LATER = "update timers set due_at = clock_timestamp() + make_interval(secs => $2) where id = $1"
NEXT = "select extract(epoch from min(due_at) - clock_timestamp())::float from timers"


class Timers:
    """The timers of a service. `run` handles them until it is cancelled."""

    def __init__(
        self,
        service: str,
        pool: "asyncpg.Pool[asyncpg.Record]",
        kinds: Sequence[type[Message]],
        commit: GroupCommit,
        client: Client,
        delays: Sequence[float],
        suspects: Suspects,
    ) -> None:
        self._service = service
        self._consumer = f"{service}-timers"
        self._pool = pool
        self._codec: Codec[Any] = Codec(kinds)
        self._commit = commit
        self._client = client
        self._delays = delays
        self._suspects = suspects
        self.wake = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                fired = await self._fire_due()
                if not fired:
                    await self._sleep()
            except CONNECTION_ERRORS as broken:
                log.warning("timers.database_unreachable", service=self._service, error=repr(broken))
                await asyncio.sleep(MAX_SLEEP_SECONDS)

    async def _fire_due(self) -> int:
        rows = await self._pool.fetch(CLAIM, BATCH, LEASE_SECONDS, timeout=10)
        outcomes = await asyncio.gather(*(self._fire(row) for row in rows))
        if done := [timer for timer in outcomes if timer]:
            await self._pool.execute(DONE, done, timeout=10)
        metrics.TIMERS_FIRED.labels(self._service).inc(len(rows))
        return len(rows)

    async def _fire(self, row: asyncpg.Record) -> UUID | None:
        """Handle one timer. Return its id if it is done."""
        try:
            await self._handle(row)
        except Exception as error:
            metrics.TIMERS_FAILED.labels(self._service).inc()
            return await self._postpone(row, error)
        timer: UUID = row["id"]
        return timer

    async def _handle(self, row: asyncpg.Record) -> None:
        if not is_suspect(row["attempts"]):
            await self._commit.submit(self._envelope(row))
            return
        async with self._suspects.alone(self._consumer, row["id"]):
            outcome = await self._commit.handle_alone(self._envelope(row))
        if isinstance(outcome, Exception):
            raise outcome

    async def _postpone(self, row: asyncpg.Record, error: Exception) -> UUID | None:
        attempt: int = row["attempts"]
        log.warning("timers.failed", service=self._service, name=row["name"], attempt=attempt, error=repr(error))
        if attempt > len(self._delays) or isinstance(error, ProcessDied):
            return await self._dead_letter(row, error)
        await self._pool.execute(LATER, row["id"], self._delays[attempt - 1], timeout=10)
        return None

    async def _dead_letter(self, row: asyncpg.Record, error: Exception) -> UUID:
        timer: UUID = row["id"]
        headers = {"Nats-Msg-Id": str(timer), "godwit-project": str(row["project"])}
        failed = FailedMessage(self._consumer, row["name"], row["attempts"], f"{timer}:{row['attempts']}")
        await dead_letter(self._client, failed, headers, row["payload"].encode(), error)
        if isinstance(error, ProcessDied):
            await self._suspects.forget(self._consumer, timer)
        return timer

    def _envelope(self, row: asyncpg.Record) -> Envelope[Any]:
        return Envelope(
            id=row["id"],
            project=row["project"],
            message=self._codec.decode(row["payload"]),
            at=now(),
            meta=meta_of(row["meta"]),
        )

    async def _sleep(self) -> None:
        wait = await self._pool.fetchval(NEXT, timeout=10)
        seconds = MAX_SLEEP_SECONDS if wait is None else min(max(wait, 0.0), MAX_SLEEP_SECONDS)
        async with soft_timeout(seconds):
            await self.wake.wait()
        self.wake.clear()
