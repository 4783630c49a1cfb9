"""The event store: one unit of work writes events, read models, inbox and replies in one transaction, or nothing."""

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
from libs.runtime.eventstore.encryption import encrypt, erase_data_keys, forgotten_subjects
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
"""Of one event. The bus takes 1 MiB with its headers, and an event that it refused would hold up the relay for ever."""

# Who appends says so in the outbox, by a row for all that is appended together; it tells where in the log that goes.
ENQUEUE = "insert into outbox (events) values ($1) returning position"
APPEND = """
with append as (insert into outbox (events) values (cardinality($1::uuid[])) returning position)
insert into events (position, id, project, stream, version, type, schema_version, data, meta, recorded_at)
select position + place - 1, id, project, stream, version, type, schema_version, data, meta, recorded_at
from append, unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::smallint[], $7::jsonb[], $8::jsonb[],
    $9::timestamptz[]
) with ordinality as new (id, project, stream, version, type, schema_version, data, meta, recorded_at, place)
"""
APPENDED = ("position", "id", "project", "stream", "version", "type", "schema_version", "data", "meta", "recorded_at")
SCHEMA_VERSION = 1

SCHEDULE = """
insert into timers (id, project, name, key, due_at, payload, meta)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (name, key) do update
    set id = excluded.id, due_at = excluded.due_at, payload = excluded.payload, meta = excluded.meta, attempts = 0
"""

# Every unit shares this lock; a rebuild takes it alone for the moment in which it swaps tables.
BEGIN = """
select clock_timestamp() from pg_advisory_xact_lock_shared(hashtext('godwit.units'), hashtext(current_schema()))
"""

CANCEL_TIMER = "delete from timers where name = $1 and key = $2"


class ReadModel(Protocol):
    """A table that is derived from events and can be dropped and rebuilt from them. Usually a module.

    `project` folds events into the table: set-based, idempotent by their versions where they may come out of order
    (events of other services do), and without any other effect. Its SQL names tables without a schema, because a
    rebuild runs it in a schema of its own. Indexes that only queries need may be made by `INDEXES` instead of `DDL`: a
    rebuild makes them when the rows are there, which is cheaper than keeping them up to date.
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
    """Make the indexes that only queries need, where they are missing."""
    for model in models:
        if indexes := getattr(model, "INDEXES", None):
            await conn.execute(indexes)


class StreamConflict(Exception):
    """Another writer appended to the stream first: load again and decide again."""


class UnitOfWork:
    """One transaction's worth of work.

    `now` is the database's clock at its start. Events that are appended become visible to queries on `conn`, in the
    read models too, after `flush`, which the runtime calls after every handler.

    `appended` holds the events that it has written, and `scheduled` says whether it has written timers: then the relay
    and the timers have work.
    """

    def __init__(self, conn: Connection, now: datetime, read_models: Sequence[ReadModel]) -> None:
        self.conn = conn
        self.now = now
        self._read_models = read_models
        self._versions: dict[str, int] = {}
        self._pending: list[Envelope[Event]] = []
        self.appended: list[Envelope[Event]] = []
        self.scheduled = False
        self._endings: list[Callable[[bool], None]] = []

    def on_completion(self, ending: Callable[[bool], None]) -> None:
        """Have it called when the transaction is over, with whether it is known to be committed: if its connection
        broke at the end, it may be all the same."""
        self._endings.append(ending)

    def end(self, committed: bool) -> None:
        for ending in self._endings:
            ending(committed)

    def expect(self, stream: str, version: int) -> None:
        """Say which version of the stream the coming events build on. A stream never named is expected to be new."""
        self._versions.setdefault(stream, version)

    def append(self, events: Iterable[Event], cause: Cause) -> None:
        """Add facts that follow from `cause`, in order. They are written by the next flush."""
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
        """Write the pending events and fold them into the read models. Raises StreamConflict if another was first."""
        events, self._pending = self._pending, []
        if not events:
            return
        self.appended += events
        await self._insert(events)
        await fold(self.conn, self._read_models, events)

    async def schedule(self, key: str, due_at: datetime, payload: Message, cause: Cause) -> None:
        """Have `payload` handled once at `due_at` (or after `key` is scheduled again: the latest wins)."""
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
        # what follows from one cause has one meta, and a page of a job is what follows from one cause
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
            "PAYLOAD_TOO_LARGE", f"What this would record is {len(body)} bytes; {MAX_EVENT_BYTES} are possible."
        )
    return body.decode()


@asynccontextmanager
async def transaction(conn: Connection) -> AsyncIterator[list[UnitOfWork]]:
    """A transaction on `conn`. The units that are opened in it, and put into the list, are told how it ended."""
    units: list[UnitOfWork] = []
    committed = False
    try:
        async with conn.transaction():
            yield units
        committed = True
    finally:
        for unit in units:
            unit.end(committed)


async def begin(conn: Connection, read_models: Sequence[ReadModel]) -> UnitOfWork:
    """Open a unit in the transaction that runs on `conn`."""
    return UnitOfWork(conn, await conn.fetchval(BEGIN), read_models)


async def fold(conn: Connection, models: Sequence[ReadModel], events: Sequence[Envelope[Any]]) -> None:
    """Give every read model the events that it folds, in order."""
    kinds: set[type[Event]] = {type(event.message) for event in events}
    for model in models:
        if wanted := kinds.intersection(model.EVENTS):
            # a batch is mostly of one kind, and then there is nothing to pick
            await model.project(conn, events if wanted == kinds else [e for e in events if type(e.message) in wanted])


BatchHandler: TypeAlias = Callable[[UnitOfWork, Sequence[Envelope[Any]]], Awaitable[Sequence[bytes] | None]]
"""Handles all messages of its types in a batch at once, in order. For commands it returns their encoded replies."""
