"""The rebuild of read models from events, while the service runs and uses the old ones.

The new tables are filled in their own schema: first from the service's log, then from the events of other services in
the EVENTS stream, limited to those that the service has handled (its inbox says which). When they have caught up, units
of work are blocked for a moment, the last events are folded, and the tables are swapped in one transaction. A table
that was dropped is rebuilt in the same way.

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
from libs.runtime.operations.row_security import protect_tables
from libs.runtime.process.service import Service

TIMEOUT = 10

# A crash of the database only costs a new rebuild, until the tables are swapped: that commit is durable.
COMMIT_ASYNCHRONOUSLY = "set synchronous_commit = off"
COMMIT_DURABLY = "set local synchronous_commit = on"

HANDLED = "select message_id from inbox where consumer = $1 and message_id = any($2::uuid[])"
TAKE_ONCE = "insert into rebuild_taken select unnest($1::uuid[]) on conflict do nothing returning message_id"
BLOCK_UNITS = "select pg_advisory_xact_lock(hashtext('godwit.units'), hashtext($1))"

# Tables are not swapped while an audit counts their rows, and rebuilds do not run at the same time.
LOCK_REBUILD = "select pg_advisory_lock(hashtext('godwit.rebuild'))"
PREVENT_REBUILD = "select pg_try_advisory_lock_shared(hashtext('godwit.rebuild'))"
"""Returns false while a rebuild runs. Otherwise no rebuild starts until the session ends."""


class RebuildResult(msgspec.Struct, frozen=True):
    """The rebuilt read models and the number of events that were folded."""

    models: list[str]
    own_events: int
    foreign_events: int


async def rebuild(database_url: str, client: Client, service: Service, models: Sequence[ReadModel]) -> RebuildResult:
    """Rebuild some read models of the service. The old tables are used until the new ones are swapped in.

    `database_url` is that of the database's owner, and `client` may read EVENTS. Waits while another rebuild runs.
    """
    async with _connection(database_url) as conn, _connection(database_url) as reader:
        await conn.execute(LOCK_REBUILD)  # held until the connection is closed
        return await _Rebuild(conn, reader, client, service, models).run()


@asynccontextmanager
async def _connection(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    conn = await asyncpg.connect(url, timeout=TIMEOUT)
    try:
        yield conn
    finally:
        await conn.close(timeout=TIMEOUT)


class _Rebuild:
    """One rebuild. `reader` reads one page ahead of what `conn` writes."""

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

    async def run(self) -> RebuildResult:
        await self._prepare()
        await _read_ahead(self._own.pages(), self._fold_own)
        await _read_ahead(self._foreign.pages(), self._fold_handled)
        await create_indexes(self._conn, self._models)
        await _read_ahead(self._own.pages(), self._fold_own)
        async with self._conn.transaction():
            await self._conn.execute(COMMIT_DURABLY)
            await self._conn.execute(BLOCK_UNITS, self._service.name)
            await self._fold_own(await self._own.rest())
            await _read_ahead(self._foreign.pages(), self._fold_handled)
            await self._fold_handled(list(self._not_handled.values()))
            await self._swap_tables()
        await self._conn.execute(f"drop schema {self._shadow} cascade")
        return RebuildResult([model.NAME for model in self._models], self._own_count, self._foreign_count)

    async def _prepare(self) -> None:
        """Create the new tables in a schema that now precedes the service's in the search path."""
        await self._reader.execute(SET_PATH, self._service.name)
        await self._conn.execute(f"drop schema if exists {self._shadow} cascade; create schema {self._shadow}")
        await self._conn.execute(SET_PATH, f"{self._shadow}, {self._service.name}")
        for model in self._models:
            await self._conn.execute(model.DDL)
        await self._conn.execute("create temporary table rebuild_taken (message_id uuid primary key)")
        await self._conn.execute(COMMIT_ASYNCHRONOUSLY)

    async def _fold_own(self, events: Page) -> None:
        async with self._conn.transaction():
            await fold(self._conn, self._models, events)
        self._own_count += len(events)

    async def _fold_handled(self, batch: Page) -> None:
        """Fold each event that the service has handled, once. Keep the others: they may be handled by the next read."""
        ids = [envelope.id for envelope in batch]
        handled = {row["message_id"] for row in await self._conn.fetch(HANDLED, f"{self._service.name}-events", ids)}
        fresh = {row["message_id"] for row in await self._conn.fetch(TAKE_ONCE, list(handled))}
        events = {envelope.id: envelope for envelope in batch if envelope.id in fresh}
        await fold(self._conn, self._models, list(events.values()))
        self._foreign_count += len(events)
        self._not_handled |= {envelope.id: envelope for envelope in batch if envelope.id not in handled}

    async def _swap_tables(self) -> None:
        role = role_of(self._service.name)
        await protect_tables(self._conn, self._shadow, self._service.name, role)
        for table in (table for model in self._models for table in model.TABLES):
            await self._conn.execute(
                f"drop table if exists {self._service.name}.{table};"
                f"alter table {self._shadow}.{table} set schema {self._service.name};"
                f"grant select, insert, update, delete on {self._service.name}.{table} to {role}"
            )


async def _read_ahead(pages: AsyncIterator[Page], fold_page: Callable[[Page], Awaitable[None]]) -> None:
    """Read, decrypt and decode each page while Postgres folds the one before it."""
    page = await anext(pages, None)
    while page is not None:
        _, page = await asyncio.gather(fold_page(page), anext(pages, None))
