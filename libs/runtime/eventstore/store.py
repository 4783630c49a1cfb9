"""The event store: a unit of work writes events, read models, inbox and replies in one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

import asyncpg
import structlog

from libs.kernel.rejection import Rejected
from libs.runtime import metrics
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode, stream_of, tag_of
from libs.runtime.eventstore.data_keys import erase_data_keys, forgotten_subjects
from libs.runtime.eventstore.encryption import encrypt
from libs.runtime.eventstore.envelope import (
    MAX_DEPTH,
    Cause,
    Envelope,
    new_event,
)
from libs.runtime.eventstore.rows import COPY_THRESHOLD
from libs.runtime.uuids import new_uuid
from libs.schemas.base import Event, Message

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

log = structlog.get_logger()

MAX_EVENT_BYTES = 900_000
"""The bus accepts 1 MiB including headers, and an event that it rejects would block the relay for ever."""

# Events that are appended together share one row in the outbox, which allocates their positions in the log.
ENQUEUE = "insert into outbox (events) values ($1) returning position"
APPEND = """
with append as (insert into outbox (events) values (cardinality($1::uuid[])) returning position)
insert into events (position, id, project, stream, version, type, schema_version, data, meta, recorded_at)
select position + number - 1, id, project, stream, version, type, schema_version, data, meta, recorded_at
from append, unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::smallint[], $7::jsonb[], $8::jsonb[],
    $9::timestamptz[]
) with ordinality as new (id, project, stream, version, type, schema_version, data, meta, recorded_at, number)
"""
APPENDED = ("position", "id", "project", "stream", "version", "type", "schema_version", "data", "meta", "recorded_at")
SCHEMA_VERSION = 1

SCHEDULE = """
insert into timers (id, project, name, key, due_at, payload, meta)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (name, key) do update
    set id = excluded.id, due_at = excluded.due_at, payload = excluded.payload, meta = excluded.meta, attempts = 0
"""

# All units share this lock; a rebuild takes it exclusively while it swaps the tables.
BEGIN = """
select clock_timestamp() from pg_advisory_xact_lock_shared(hashtext('godwit.units'), hashtext(current_schema()))
"""

CANCEL_TIMER = "delete from timers where name = $1 and key = $2"


class ReadModel(Protocol):
    """A table that is derived from events and can be rebuilt from them. Usually a module.

    `project` folds events into the table: set-based, without other effects, and idempotent by version where events may
    arrive out of order (as those of other services do). Its SQL names tables without a schema, because a rebuild runs
    it in another one. Indexes that only queries need may be in `INDEXES` instead of `DDL`: a rebuild creates them after
    inserting the rows, which is cheaper than keeping them up to date.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a module's constant

    @property
    def TABLES(self) -> tuple[str, ...]: ...  # noqa: N802

    @property
    def DDL(self) -> str: ...  # noqa: N802

    @property
    def EVENTS(self) -> tuple[type[Event], ...]: ...  # noqa: N802

    def project(self, conn: Connection, events: Sequence[Envelope[Any]], /) -> Awaitable[None]: ...


async def create_indexes(conn: Connection, models: Sequence[ReadModel]) -> None:
    """Create the missing indexes that only queries need."""
    for model in models:
        if indexes := getattr(model, "INDEXES", None):
            await conn.execute(indexes)


class StreamConflict(Exception):
    """Raised when another writer appended to the stream first: load again and decide again."""


class UnitOfWork:
    """The work of one transaction.

    `now` is the database's time at its start. Appended events become visible to queries on `conn`, also in the read
    models, after `flush`, which the runtime calls after every handler.

    `appended` holds the events that were written; `scheduled` is true if timers were written. They tell the runtime
    whether to wake the relay and the timers.
    """

    def __init__(self, conn: Connection, now: datetime, read_models: Sequence[ReadModel]) -> None:
        self.conn = conn
        self.now = now
        self._read_models = read_models
        self._versions: dict[str, int] = {}
        self._pending: list[Envelope[Event]] = []
        self.appended: list[Envelope[Event]] = []
        self.scheduled = False
        self._callbacks: list[Callable[[bool], None]] = []

    def on_completion(self, callback: Callable[[bool], None]) -> None:
        """Register a callback for the end of the transaction. Its argument is true if the commit is certain.

        If the connection broke during the commit, the argument is false although the transaction may be committed.
        """
        self._callbacks.append(callback)

    def complete(self, committed: bool) -> None:
        """Call the callbacks that were registered with `on_completion`."""
        for callback in self._callbacks:
            callback(committed)

    def expect(self, stream: str, version: int) -> None:
        """Set the version of the stream that the next events build on. By default a stream is expected to be new."""
        self._versions.setdefault(stream, version)

    def append(self, events: Iterable[Event], cause: Cause) -> None:
        """Add events that `cause` led to, in order. The next flush writes them."""
        if cause.causes().depth > MAX_DEPTH:
            log.error("unit.causation_loop_cut", project=str(cause.project), cause=str(cause.causes().causation_id))
            metrics.LOOPS_CUT.inc()
            return
        for event in events:
            stream = stream_of(event)
            version = self._versions.get(stream, 0) + 1
            self._versions[stream] = version
            self._pending.append(new_event(event, version, cause, new_uuid(), self.now, stream))

    async def flush(self) -> None:
        """Write the pending events and fold them into the read models. Raise StreamConflict."""
        events, self._pending = self._pending, []
        if not events:
            return
        self.appended += events
        await self._insert(events)
        await fold(self.conn, self._read_models, events)

    async def schedule(self, key: str, due_at: datetime, payload: Message, cause: Cause) -> None:
        """Set a timer that has `payload` handled once at `due_at`. Scheduling the same `key` again replaces it."""
        meta = encode(cause.causes()).decode()
        self.scheduled = True
        name, body = tag_of(type(payload)), encode(payload).decode()
        await self.conn.execute(SCHEDULE, uuid7(), cause.project, name, key, due_at, body, meta)

    async def schedule_in(self, key: str, delay: timedelta, payload: Message, cause: Cause) -> None:
        await self.schedule(key, self.now + delay, payload, cause)

    async def cancel_timer(self, kind: type[Message], key: str) -> None:
        await self.conn.execute(CANCEL_TIMER, tag_of(kind), key)

    async def _insert(self, events: Sequence[Envelope[Event]]) -> None:
        bodies = [_bounded(body) for body in await encrypt(self.conn, events)]
        # encode each meta once: the events of a page of a job share it
        metas = {id(e.meta): encode(e.meta).decode() for e in {id(e.meta): e for e in events}.values()}
        rows = [
            (e.id, e.project, e.stream, e.version, tag_of(type(e.message)), SCHEMA_VERSION, body, meta, self.now)
            for e, body, meta in zip(events, bodies, (metas[id(e.meta)] for e in events), strict=True)
        ]
        try:
            await _append(self.conn, rows)
        except asyncpg.UniqueViolationError as taken:
            raise StreamConflict(str(taken)) from taken
        await erase_data_keys(self.conn, forgotten_subjects(events))


async def _append(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    if len(rows) < COPY_THRESHOLD:
        await conn.execute(APPEND, *zip(*rows, strict=True))
    else:
        first = await conn.fetchval(ENQUEUE, len(rows))
        placed = [(position, *row) for position, row in enumerate(rows, first)]
        await conn.copy_records_to_table("events", records=placed, columns=APPENDED)


def _bounded(body: bytes) -> str:
    if len(body) > MAX_EVENT_BYTES:
        raise Rejected(
            "PAYLOAD_TOO_LARGE", f"The recorded event is too large: {len(body)} bytes (limit: {MAX_EVENT_BYTES} bytes)"
        )
    return body.decode()


@asynccontextmanager
async def transaction(conn: Connection) -> AsyncIterator[list[UnitOfWork]]:
    """Run a transaction on `conn`. Units of work that the caller puts into the list are completed when it ends."""
    units: list[UnitOfWork] = []
    committed = False
    try:
        async with conn.transaction():
            yield units
        committed = True
    finally:
        for unit in units:
            unit.complete(committed)


async def begin(conn: Connection, read_models: Sequence[ReadModel]) -> UnitOfWork:
    """Begin a unit of work in the open transaction of `conn`."""
    return UnitOfWork(conn, await conn.fetchval(BEGIN), read_models)


async def fold(conn: Connection, models: Sequence[ReadModel], events: Sequence[Envelope[Any]]) -> None:
    """Fold the events into the read models that use them, in order."""
    kinds: set[type[Event]] = {type(event.message) for event in events}
    for model in models:
        if wanted := kinds.intersection(model.EVENTS):
            # most batches have events of one kind and need no filter
            await model.project(conn, events if wanted == kinds else [e for e in events if type(e.message) in wanted])


BatchHandler: TypeAlias = Callable[[UnitOfWork, Sequence[Envelope[Any]]], Awaitable[Sequence[bytes] | None]]
"""Handles all messages of its types in a batch at once, in order. Returns the encoded replies if they are commands."""
