"""The relay, which publishes the log to the bus in order. One is active per service.

Reading an event log by `position > last seen` loses events that are committed out of order. So every append inserts a
row into the outbox, and the relay publishes the events of these rows. The active relay holds a session advisory lock on
its own connection, and everything that it records carries its epoch, so that a relay that was paused and replaced
cannot record anything. It records a dense `sequence`, the only order that other readers of the log may follow.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress

import asyncpg
import structlog

from libs.runtime import crash, metrics
from libs.runtime.clock import now
from libs.runtime.eventstore.envelope import event_headers, meta_of
from libs.runtime.messaging.adaptive_batching import AdaptiveBatching
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.messaging.publisher import Outgoing, Publisher
from libs.runtime.timeouts import soft_timeout

log = structlog.get_logger()

BATCH = 500
POLL_SECONDS = 0.2
MAX_WAIT_SECONDS = 0.1
"""Longest pause between two batches of a busy service."""

STANDBY_SECONDS = 1.0
HEARTBEAT_SECONDS = 2.0
DEAD_AFTER_SECONDS = 10

LOCK = "select pg_try_advisory_lock(hashtext('godwit.relay'), hashtext(current_schema()))"
TAKE_OVER = """
update relay set epoch = epoch + 1, holder = pg_backend_pid(), seen_at = clock_timestamp()
returning epoch
"""
DEPOSE_SILENT_HOLDER = """
select pg_terminate_backend(holder) from relay
where holder is not null and seen_at < clock_timestamp() - make_interval(secs => $1)
"""
HEARTBEAT = "update relay set seen_at = clock_timestamp() where epoch = $1 returning true"
# As many complete appends as fill a batch.
UNPUBLISHED = """
select append.position as append, event.position, event.id, project, stream, version, type, data, meta, recorded_at
from (
    select position, events, sum(events) over (order by position) - events as before
    from (select position, events from outbox order by position limit $1) as next
) as append
join events as event on event.position >= append.position and event.position < append.position + append.events
where before < $1
order by event.position
"""
# The unpublished rest of an append becomes a row of its own.
SPLIT = """
with shortened as (
    update outbox set events = $2 where position = $1 and events > $2
    returning old.events - $2 as rest
)
insert into outbox (position, events) select $1::bigint + $2::int, rest from shortened
"""
MARK = """
with holder as (
    update relay set sequence = sequence + $3, seen_at = clock_timestamp() where epoch = $1
    returning sequence - $3 as before
), done as (
    delete from outbox using holder where position = any($2::bigint[]) returning position, events
)
insert into published (sequence, position, events)
select before + sum(events) over (order by position) - events + 1, position, events from holder, done
returning true
"""
# The relay repeats a few queries for a few rows at the ends of large tables.
SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}


class Deposed(Exception):
    """Raised when another relay has taken over: this one must stop publishing."""


class Relay:
    """The relay of a service. It publishes until it is cancelled, and stands by while another process is active."""

    def __init__(self, database_url: str, schema: str, publisher: Publisher, wake: asyncio.Event) -> None:
        self._url = database_url
        self._schema = schema
        self._publisher = publisher
        self.wake = wake
        self._seen = 0.0
        self._batching = AdaptiveBatching(MAX_WAIT_SECONDS)
        self.active = False

    async def run(self) -> None:
        while True:
            try:
                await self._lead()
            except (Deposed, asyncpg.PostgresError, *CONNECTION_ERRORS) as lost:
                log.warning("relay.lost", service=self._schema, error=repr(lost))
            finally:
                self._set_active(False)
            await asyncio.sleep(STANDBY_SECONDS)

    async def _lead(self) -> None:
        conn = await asyncpg.connect(self._url, timeout=10, command_timeout=10, server_settings=SETTINGS)
        try:
            await self._wait_for_lock(conn)
            epoch = await conn.fetchval(TAKE_OVER)
            self._set_active(True)
            log.info("relay.leading", service=self._schema, epoch=epoch)
            while True:
                published = await self._publish_all(conn, epoch)
                await asyncio.sleep(self._batching.pause(published))
                await self._wait_for_work(conn, epoch)
        finally:
            with suppress(Exception):
                await conn.close(timeout=2)

    async def _wait_for_lock(self, conn: "asyncpg.Connection[asyncpg.Record]") -> None:
        while not await conn.fetchval(LOCK):
            await conn.execute(DEPOSE_SILENT_HOLDER, DEAD_AFTER_SECONDS)
            await asyncio.sleep(STANDBY_SECONDS)

    async def _publish_all(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int) -> int:
        published = 0
        while rows := await conn.fetch(UNPUBLISHED, BATCH):
            metrics.OUTBOX_AGE.labels(self._schema).set((now() - rows[0]["recorded_at"]).total_seconds())
            stored = await self._publisher.publish([outgoing(self._schema, row) for row in rows])
            crash.point("after_publish_before_mark")
            done = Counter(row["append"] for row in rows[:stored])
            if stored < len(rows):
                await conn.executemany(SPLIT, done.items())
            if done:
                await self._mark(conn, epoch, done)
            if stored < len(rows):
                raise TimeoutError(f"the bus stored only {stored} of {len(rows)} events")
            published += stored
            if stored < BATCH:
                break
        metrics.OUTBOX_AGE.labels(self._schema).set(0)
        return published

    async def _mark(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int, done: Counter[int]) -> None:
        """Record the appends that were published, with the number of events of each."""
        if not await conn.fetchval(MARK, epoch, list(done), done.total()):
            raise Deposed(f"epoch {epoch} is over")
        metrics.PUBLISHED.labels(self._schema).inc(done.total())

    async def _wait_for_work(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int) -> None:
        """Wait until this process appends, or poll for the appends of other replicas."""
        async with soft_timeout(POLL_SECONDS):
            await self.wake.wait()
            self.wake.clear()
            return
        await self._heartbeat(conn, epoch)

    async def _heartbeat(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int) -> None:
        """Show the standbys that this relay is alive. Raise Deposed if one of them has replaced it."""
        if time.monotonic() - self._seen < HEARTBEAT_SECONDS:
            return
        if not await conn.fetchval(HEARTBEAT, epoch):
            raise Deposed(f"epoch {epoch} is over")
        self._seen = time.monotonic()

    def _set_active(self, active: bool) -> None:
        self.active = active
        metrics.RELAY_ACTIVE.labels(self._schema).set(int(active))


def outgoing(service: str, row: asyncpg.Record) -> Outgoing:
    """Return the message for a row of `events`, which is the same when the event is replayed."""
    headers = event_headers(
        event_id=row["id"],
        project=row["project"],
        service=service,
        tag=row["type"],
        stream=row["stream"],
        version=row["version"],
        at=row["recorded_at"],
        meta=meta_of(row["meta"]),
    )
    return Outgoing(f"evt.{service}.{row['project']}.{row['type']}", headers, row["data"].encode())
