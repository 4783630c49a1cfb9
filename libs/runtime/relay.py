"""The relay: the one process per service that publishes the log to the bus, in order.

Reading an event log by `position > last seen` loses events that commit out of order, so the relay reads what is not
yet marked. One relay is active per service: it holds a session advisory lock on a connection of its own, and every
mark carries its epoch, so that a relay that was paused and replaced cannot mark anything. It also stamps a dense
`sequence`, the only order that other readers of the log may follow.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import asyncpg
import msgspec
import structlog

from libs.runtime import crash, metrics
from libs.runtime.clock import now
from libs.runtime.envelope import KEPT, Meta, event_headers
from libs.runtime.gather import Gather
from libs.runtime.publisher import Outgoing, Publisher

log = structlog.get_logger()

BATCH = 500
POLL_SECONDS = 0.2
LONGEST_WAIT = 0.1
"""How long the events of a busy service are gathered."""

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
UNPUBLISHED = """
select position, id, project, stream, version, type, data, meta, recorded_at
from events where published_at is null order by position limit $1
"""
MARK = """
with holder as (
    update relay set sequence = sequence + cardinality($2::bigint[]), seen_at = clock_timestamp()
    where epoch = $1
    returning sequence - cardinality($2::bigint[]) as before
)
update events set published_at = clock_timestamp(), sequence = holder.before + done.place
from holder, unnest($2::bigint[]) with ordinality as done (position, place)
where events.position = done.position and events.published_at is null
returning true
"""


class Deposed(Exception):
    """Another relay has taken over: this one must not publish any more."""


class Relay:
    """Publishes this service's events until cancelled; stands by while another process does."""

    def __init__(self, database_url: str, schema: str, publisher: Publisher, wake: asyncio.Event) -> None:
        self._url = database_url
        self._schema = schema
        self._publisher = publisher
        self.wake = wake
        self._seen = 0.0
        self._gather = Gather(LONGEST_WAIT)
        self.active = False

    async def run(self) -> None:
        while True:
            try:
                await self._lead()
            except (Deposed, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as lost:
                log.warning("relay.lost", service=self._schema, error=repr(lost))
            finally:
                self._set_active(False)
            await asyncio.sleep(STANDBY_SECONDS)

    async def _lead(self) -> None:
        conn = await asyncpg.connect(self._url, timeout=10, command_timeout=10)
        try:
            await self._wait_for_lock(conn)
            epoch = await conn.fetchval(TAKE_OVER)
            self._set_active(True)
            log.info("relay.leading", service=self._schema, epoch=epoch)
            while True:
                published = await self._publish_all(conn, epoch)
                await asyncio.sleep(self._gather.pause(published))
                await self._rest(conn, epoch)
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
            if stored:
                await self._mark(conn, epoch, [row["position"] for row in rows[:stored]])
            if stored < len(rows):
                raise TimeoutError(f"the bus took {stored} of {len(rows)} events")
            published += stored
            if stored < BATCH:
                break
        metrics.OUTBOX_AGE.labels(self._schema).set(0)
        return published

    async def _mark(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int, positions: Sequence[int]) -> None:
        if not await conn.fetch(MARK, epoch, positions):
            raise Deposed(f"epoch {epoch} is over")
        metrics.PUBLISHED.labels(self._schema).inc(len(positions))

    async def _rest(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int) -> None:
        """Sleep until this process appends, or poll for what other replicas appended."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), POLL_SECONDS)
            self.wake.clear()
            return
        await self._heartbeat(conn, epoch)

    async def _heartbeat(self, conn: "asyncpg.Connection[asyncpg.Record]", epoch: int) -> None:
        """Show standbys that this relay lives, and learn whether one of them has replaced it."""
        if time.monotonic() - self._seen < HEARTBEAT_SECONDS:
            return
        if not await conn.fetchval(HEARTBEAT, epoch):
            raise Deposed(f"epoch {epoch} is over")
        self._seen = time.monotonic()

    def _set_active(self, active: bool) -> None:
        self.active = active
        metrics.RELAY_ACTIVE.labels(self._schema).set(int(active))


def outgoing(service: str, row: asyncpg.Record) -> Outgoing:
    """The message of a row of `events`, the same whether it is published the first time or replayed."""
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


@lru_cache(KEPT)
def meta_of(text: str) -> Meta:
    """The meta of a row of `events`. Events of one cause have it in common."""
    return msgspec.json.decode(text, type=Meta)
