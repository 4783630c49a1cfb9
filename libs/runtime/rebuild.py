"""Rebuilding read models from events while the service runs and serves from the old ones.

The new tables grow in a schema of their own: first from the service's log, then from the other services' events in
the EVENTS stream, of which only those count that the service has handled (its inbox says which). When they have
caught up, the units of work are held for a moment, the last events are folded, and the tables change places in one
transaction. A table that was dropped is rebuilt in the same way.

If EVENTS does not reach back far enough, refill it first with `godwit replay`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from libs.runtime.codec import Codec, tag_of
from libs.runtime.envelope import Envelope, envelope_of
from libs.runtime.inlet import UNREADABLE
from libs.runtime.migrations import role_of
from libs.runtime.relay import meta_of
from libs.runtime.replay import LOG
from libs.runtime.service import Service
from libs.runtime.store import ReadModel, fold, make_indexes
from libs.runtime.vault import Written, reveal
from libs.schemas.base import Event

log = structlog.get_logger()

PAGE = 2000
"""Events that are folded at a time. What a statement costs is shared by them, and they are all in memory."""

FETCH = 1000
FETCH_TIMEOUT = 2.0

REST_OF_LOG = """
select position, sequence, id, project, stream, version, type, data, meta, recorded_at
from events where sequence is null or sequence > $1 order by sequence nulls last, position
"""
# What is lost in a crash of the database is made again with the rest. The tables change places durably.
LOSE_NOTHING_BUT_TIME = "set synchronous_commit = off"
DURABLY = "set local synchronous_commit = on"

HANDLED = "select message_id from inbox where consumer = $1 and message_id = any($2::uuid[])"
TAKE = "insert into rebuild_taken select unnest($1::uuid[]) on conflict do nothing returning message_id"
HOLD_UNITS = "select pg_advisory_xact_lock(hashtext('godwit.units'), hashtext($1))"

# Tables change places under nobody who counts them, and one rebuild does not undo another's work.
CHANGE_TABLES = "select pg_advisory_lock(hashtext('godwit.rebuild'))"
CHANGED_TABLES = "select pg_advisory_unlock(hashtext('godwit.rebuild'))"
KEEP_TABLES = "select pg_try_advisory_lock_shared(hashtext('godwit.rebuild'))"
"""Answers false while a rebuild runs; else none begins until the session ends."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild read."""

    models: list[str]
    own_events: int
    foreign_events: int


class Rebuild:
    """One rebuild of some read models of a service. `conn` is the database owner's, `client` may read EVENTS."""

    def __init__(
        self,
        conn: "asyncpg.Connection[asyncpg.Record]",
        client: Client,
        service: Service,
        models: Sequence[ReadModel],
    ) -> None:
        self._conn = conn
        self._js = client.jetstream(timeout=10)
        self._service = service
        self._models = models
        self._shadow = f"{service.name}_rebuild"
        self._own: Codec[Any] = Codec([kind for kind in _kinds(models) if kind.service == service.name])
        foreign = [kind for kind in _kinds(models) if kind.service != service.name]
        self._foreign: Codec[Any] = Codec(foreign)
        self._subjects = [f"evt.{kind.service}.*.{tag_of(kind)}" for kind in foreign]
        self._reached = 0
        self._stream_reached = 0
        self._not_handled: dict[UUID, Envelope[Any]] = {}
        self._own_count = 0
        self._foreign_count = 0

    async def run(self) -> Rebuilt:
        """Rebuild, catch up, and change places. The old tables serve until the last moment."""
        await self._conn.execute(CHANGE_TABLES)
        try:
            return await self._rebuild()
        finally:
            await self._conn.execute(CHANGED_TABLES)

    async def _rebuild(self) -> Rebuilt:
        await self._prepare()
        await self._catch_up_own()
        await self._catch_up_foreign()
        await make_indexes(self._conn, self._models)
        await self._catch_up_own()
        async with self._conn.transaction():
            await self._conn.execute(DURABLY)
            await self._conn.execute(HOLD_UNITS, self._service.name)
            await self._fold_rows(await self._conn.fetch(REST_OF_LOG, self._reached))
            await self._catch_up_foreign()
            await self._fold_handled(list(self._not_handled.values()))
            await self._change_places()
        await self._conn.execute(f"drop schema {self._shadow} cascade; drop table rebuild_taken")
        return Rebuilt([model.NAME for model in self._models], self._own_count, self._foreign_count)

    async def _prepare(self) -> None:
        """Make the new tables, in a schema that comes before the service's in the search path from here on."""
        await self._conn.execute(f"drop schema if exists {self._shadow} cascade; create schema {self._shadow}")
        await self._conn.execute(f"set search_path = {self._shadow}, {self._service.name}")
        for model in self._models:
            await self._conn.execute(model.DDL)
        await self._conn.execute("create temporary table rebuild_taken (message_id uuid primary key)")
        await self._conn.execute(LOSE_NOTHING_BUT_TIME)

    async def _catch_up_own(self) -> None:
        while rows := await self._conn.fetch(LOG, self._reached, PAGE):
            async with self._conn.transaction():
                await self._fold_rows(rows)
            self._reached = rows[-1]["sequence"]

    async def _fold_rows(self, rows: Sequence[asyncpg.Record]) -> None:
        rows = [row for row in rows if row["type"] in self._own.kinds]
        bodies = await reveal(self._conn, [Written(row["id"], row["project"], row["data"].encode()) for row in rows])
        events = [self._recorded(row, body) for row, body in zip(rows, bodies, strict=True)]
        await fold(self._conn, self._models, events)
        self._own_count += len(events)

    def _recorded(self, row: asyncpg.Record, body: bytes) -> Envelope[Any]:
        return Envelope(
            id=row["id"],
            project=row["project"],
            message=self._own.decode(body),
            at=row["recorded_at"],
            stream=row["stream"],
            version=row["version"],
            meta=meta_of(row["meta"]),
        )

    async def _catch_up_foreign(self) -> None:
        if not self._subjects:
            return
        async for batch in self._stream_pages():
            await self._fold_handled(batch)

    async def _fold_handled(self, batch: Sequence[Envelope[Any]]) -> None:
        """Fold what the service has handled, each event once; keep the rest: it may be handled by the next look."""
        ids = [envelope.id for envelope in batch]
        handled = {row["message_id"] for row in await self._conn.fetch(HANDLED, f"{self._service.name}-events", ids)}
        fresh = {row["message_id"] for row in await self._conn.fetch(TAKE, list(handled))}
        events = {envelope.id: envelope for envelope in batch if envelope.id in fresh}
        await fold(self._conn, self._models, list(events.values()))
        self._foreign_count += len(events)
        self._not_handled |= {envelope.id: envelope for envelope in batch if envelope.id not in handled}

    async def _stream_pages(self) -> AsyncIterator[list[Envelope[Any]]]:
        """The foreign events between the end of the last look and the end of the stream now, a page at a time."""
        last = (await self._js.stream_info("EVENTS")).state.last_seq
        if last <= self._stream_reached:
            return
        start = ConsumerConfig(
            filter_subjects=self._subjects,
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._stream_reached + 1,
        )
        reader = await self._js.pull_subscribe("", stream="EVENTS", config=start)
        try:
            while messages := await _fetch(reader):
                within = [message for message in messages if message.metadata.sequence.stream <= last]
                yield [envelope for message in within if (envelope := self._read(message))]
                if len(within) < len(messages) or messages[-1].metadata.num_pending == 0:
                    break
        finally:
            await reader.unsubscribe()
        self._stream_reached = last

    def _read(self, message: Msg) -> Envelope[Any] | None:
        """The event in the message; None if it cannot be read, for then the service cannot have handled it either."""
        try:
            return envelope_of(self._foreign.decode(message.data), message.headers or {})
        except UNREADABLE:
            return None

    async def _change_places(self) -> None:
        role = role_of(self._service.name)
        for table in (table for model in self._models for table in model.TABLES):
            await self._conn.execute(
                f"drop table if exists {self._service.name}.{table};"
                f"alter table {self._shadow}.{table} set schema {self._service.name};"
                f"grant select, insert, update, delete on {self._service.name}.{table} to {role}"
            )


async def _fetch(reader: JetStreamContext.PullSubscription) -> list[Msg]:
    try:
        return await reader.fetch(FETCH, timeout=FETCH_TIMEOUT)
    except NatsTimeout:
        return []


def _kinds(models: Sequence[ReadModel]) -> list[type[Event]]:
    return list({kind for model in models for kind in model.EVENTS})
