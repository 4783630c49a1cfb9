"""Rebuilding read models from events while the service runs and serves from the old ones.

The new tables grow in a schema of their own: first from the service's log, then from the other services' events in
the EVENTS stream, of which only those count that the service has handled (its inbox says which). When they have
caught up, the units of work are held for a moment, the last events are folded, and the tables change places in one
transaction. A table that was dropped is rebuilt in the same way.

If EVENTS does not reach back far enough, refill it first with `godwit replay`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from nats.aio.client import Client

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import ReadModel, create_indexes, fold
from libs.runtime.operations.event_readers import ForeignEvents, OwnEvents, Page
from libs.runtime.operations.migrations import role_of
from libs.runtime.operations.replay import SET_PATH
from libs.runtime.process.service import Service

TIMEOUT = 10

# What is lost in a crash of the database is made again with the rest. The tables change places durably.
LOSE_NOTHING_BUT_TIME = "set synchronous_commit = off"
DURABLY = "set local synchronous_commit = on"

HANDLED = "select message_id from inbox where consumer = $1 and message_id = any($2::uuid[])"
TAKE_ONCE = "insert into rebuild_taken select unnest($1::uuid[]) on conflict do nothing returning message_id"
HOLD_UNITS = "select pg_advisory_xact_lock(hashtext('godwit.units'), hashtext($1))"

# Tables change places under nobody who counts them, and one rebuild does not undo another's work.
LOCK_REBUILD = "select pg_advisory_lock(hashtext('godwit.rebuild'))"
PREVENT_REBUILD = "select pg_try_advisory_lock_shared(hashtext('godwit.rebuild'))"
"""Answers false while a rebuild runs; else none begins until the session ends."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild read."""

    models: list[str]
    own_events: int
    foreign_events: int


async def rebuild(database_url: str, client: Client, service: Service, models: Sequence[ReadModel]) -> Rebuilt:
    """Make some read models of the service anew. The old tables serve until the last moment.

    The address is the database owner's, and `client` may read EVENTS. Waits for a rebuild that runs already.
    """
    async with _connection(database_url) as conn, _connection(database_url) as reader:
        await conn.execute(LOCK_REBUILD)  # until the connection is closed
        return await _Rebuild(conn, reader, client, service, models).run()


@asynccontextmanager
async def _connection(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    conn = await asyncpg.connect(url, timeout=TIMEOUT)
    try:
        yield conn
    finally:
        await conn.close(timeout=TIMEOUT)


class _Rebuild:
    """One rebuild. What `conn` writes was read by `reader`, a page ahead."""

    def __init__(
        self,
        conn: "asyncpg.Connection[asyncpg.Record]",
        reader: "asyncpg.Connection[asyncpg.Record]",
        client: Client,
        service: Service,
        models: Sequence[ReadModel],
    ) -> None:
        self._conn = conn
        self._reader = reader
        self._service = service
        self._models = models
        self._shadow = f"{service.name}_rebuild"
        kinds = {kind for model in models for kind in model.EVENTS}
        self._own = OwnEvents(reader, {kind for kind in kinds if kind.service == service.name})
        self._foreign = ForeignEvents(client, {kind for kind in kinds if kind.service != service.name})
        self._not_handled: dict[UUID, Envelope[Any]] = {}
        self._own_count = 0
        self._foreign_count = 0

    async def run(self) -> Rebuilt:
        await self._prepare()
        await _use(self._own.pages(), self._fold_own)
        await _use(self._foreign.pages(), self._fold_handled)
        await create_indexes(self._conn, self._models)
        await _use(self._own.pages(), self._fold_own)
        async with self._conn.transaction():
            await self._conn.execute(DURABLY)
            await self._conn.execute(HOLD_UNITS, self._service.name)
            await self._fold_own(await self._own.rest())
            await _use(self._foreign.pages(), self._fold_handled)
            await self._fold_handled(list(self._not_handled.values()))
            await self._change_places()
        await self._conn.execute(f"drop schema {self._shadow} cascade")
        return Rebuilt([model.NAME for model in self._models], self._own_count, self._foreign_count)

    async def _prepare(self) -> None:
        """Make the new tables, in a schema that comes before the service's in the search path from here on."""
        await self._reader.execute(SET_PATH, self._service.name)
        await self._conn.execute(f"drop schema if exists {self._shadow} cascade; create schema {self._shadow}")
        await self._conn.execute(SET_PATH, f"{self._shadow}, {self._service.name}")
        for model in self._models:
            await self._conn.execute(model.DDL)
        await self._conn.execute("create temporary table rebuild_taken (message_id uuid primary key)")
        await self._conn.execute(LOSE_NOTHING_BUT_TIME)

    async def _fold_own(self, events: Page) -> None:
        async with self._conn.transaction():
            await fold(self._conn, self._models, events)
        self._own_count += len(events)

    async def _fold_handled(self, batch: Page) -> None:
        """Fold what the service has handled, each event once; keep the rest: it may be handled by the next look."""
        ids = [envelope.id for envelope in batch]
        handled = {row["message_id"] for row in await self._conn.fetch(HANDLED, f"{self._service.name}-events", ids)}
        fresh = {row["message_id"] for row in await self._conn.fetch(TAKE_ONCE, list(handled))}
        events = {envelope.id: envelope for envelope in batch if envelope.id in fresh}
        await fold(self._conn, self._models, list(events.values()))
        self._foreign_count += len(events)
        self._not_handled |= {envelope.id: envelope for envelope in batch if envelope.id not in handled}

    async def _change_places(self) -> None:
        role = role_of(self._service.name)
        for table in (table for model in self._models for table in model.TABLES):
            await self._conn.execute(
                f"drop table if exists {self._service.name}.{table};"
                f"alter table {self._shadow}.{table} set schema {self._service.name};"
                f"grant select, insert, update, delete on {self._service.name}.{table} to {role}"
            )


async def _use(pages: AsyncIterator[Page], use: Callable[[Page], Awaitable[None]]) -> None:
    """Each page is read, revealed and decoded while Postgres folds the one before it."""
    page = await anext(pages, None)
    while page is not None:
        _, page = await asyncio.gather(use(page), anext(pages, None))
