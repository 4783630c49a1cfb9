"""SQLite with group commit: everything the sandbox stores is durable before it answers.

The writes of all requests that arrive while one transaction is being flushed share the next one, so the number of
fsyncs depends on the disk and not on the traffic. Rows are bound on the event loop and only COMMIT runs in a thread:
sqlite3 releases the GIL on every step, and a thread that has to win it back a thousand times per batch would wait
milliseconds each time. Reads use a second connection, because the first one is locked while it commits.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.sandbox.storage.bodies import Bodies, Extent

Value = str | bytes | float | int | None
SqlRow = Sequence[Value]
Statement = tuple[str, Sequence[SqlRow]]

SCHEMA = """
create table if not exists message (
    seq integer primary key,
    id text not null unique,
    email_id text not null,
    sender text not null,
    recipients text not null,
    tags text not null,
    configuration_set text not null,
    accepted_at real not null,
    kind text not null,
    body_offset integer not null,
    body_size integer not null
);
create index if not exists message_by_email_id on message (email_id);

create table if not exists recipient (
    address text not null,
    seq integer not null,
    primary key (address, seq)
) without rowid;

create table if not exists subscription (
    id integer primary key,
    endpoint text not null unique,
    token text not null,
    confirmed_at real
);

create table if not exists notification (
    id integer primary key autoincrement, -- never reused: deliveries hold ids of rows that may be gone
    subscription integer not null,
    seq integer not null,
    kind text not null,
    recipient text not null,
    detail text not null,
    at real not null,
    due real not null,
    attempts integer not null default 0,
    give_up_at real
);
create index if not exists notification_by_due on notification (subscription, due);

create table if not exists queued (
    seq integer primary key autoincrement, -- never reused: it is the receipt handle
    id text not null,
    body text not null,
    sent_at real not null,
    visible_at real not null,
    receives integer not null default 0
);
create index if not exists queued_by_visible on queued (visible_at);

create table if not exists identity (name text primary key, verified integer not null, tokens text not null);
create table if not exists mail_from (identity text primary key, domain text not null, on_failure text not null);
create table if not exists suppression (address text primary key, reason text not null, since real not null);
create table if not exists configuration_set (name text primary key, body blob not null);
create table if not exists event_destination (
    configuration_set text not null,
    name text not null,
    body blob not null,
    primary key (configuration_set, name)
);
"""

# FULL makes every COMMIT in WAL mode wait for the disk; the larger checkpoint keeps that to one fsync per commit.
PRAGMAS = """
pragma journal_mode = wal;
pragma synchronous = full;
pragma wal_autocheckpoint = 4000;
pragma journal_size_limit = 67108864;
pragma cache_size = -4000;
"""


END_OF_BODIES = "select coalesce(max(body_offset + body_size), 0) from message"


class Store:
    def __init__(self, data_dir: Path) -> None:
        self._writer = _connect(data_dir / "sandbox.sqlite3")
        self._writer.executescript(PRAGMAS + SCHEMA)
        self._reader = _connect(data_dir / "sandbox.sqlite3")
        self._bodies = Bodies(data_dir / "bodies", end=self.rows(END_OF_BODIES)[0][0])
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._batch = Batch()
        self._wake = asyncio.Event()

    # Any: the types of a result row follow from the SQL text, not from Python.
    def rows(self, sql: str, values: SqlRow | Mapping[str, Value] = ()) -> list[Any]:
        """Return committed rows. It runs on the event loop, so it is for short queries."""
        return self._reader.execute(sql, values).fetchall()

    def body(self, place: Extent) -> bytes:
        return self._bodies.read(place)

    def keep(self, body: bytes) -> Extent:
        """Reserve space for this body. The next `write` stores it, and must follow before anything is awaited."""
        place = self._bodies.reserve(body)
        self._batch.bodies.append((place, body))
        return place

    async def write(self, *statements: Statement) -> None:
        """Write the rows of all statements in one transaction. Return once they are on disk; raise if none are."""
        written = self._batch.add(statements)
        self._wake.set()
        await written

    async def commit_forever(self) -> None:
        while True:
            await self._wake.wait()
            await self._commit_batch()

    async def close(self) -> None:
        """Flush what is still waiting, then close. `commit_forever` must have been stopped before."""
        await self._commit_batch()
        self._disk.shutdown()
        self._reader.close()
        self._writer.close()
        self._bodies.close()

    async def _commit_batch(self) -> None:
        batch, self._batch = self._batch, Batch()
        self._wake.clear()
        committing = asyncio.ensure_future(self._commit(batch))
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await committing  # a commit in progress cannot be called back: complete it, then stop
            raise

    async def _commit(self, batch: "Batch") -> None:
        try:
            self._writer.execute("begin immediate")
            for sql, rows in batch.statements.items():
                self._writer.executemany(sql, rows)
            await asyncio.get_running_loop().run_in_executor(self._disk, self._flush, batch)
        except Exception as error:  # whatever it is, the waiting callers must get it
            if self._writer.in_transaction:
                self._writer.execute("rollback")
            batch.finish(error)
        else:
            batch.finish(None)

    def _flush(self, batch: "Batch") -> None:
        """Write the bodies first: a row on disk implies that its body is there too."""
        if batch.bodies:
            self._bodies.write([body for _, body in batch.bodies], first=batch.bodies[0][0])
        self._writer.execute("commit")


class Batch:
    """What the next transaction will write, and who is waiting for it."""

    def __init__(self) -> None:
        self.bodies: list[tuple[Extent, bytes]] = []
        self.statements: dict[str, list[SqlRow]] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, statements: Iterable[Statement]) -> asyncio.Future[None]:
        for sql, rows in statements:
            if rows:
                self.statements.setdefault(sql, []).extend(rows)
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def finish(self, error: Exception | None) -> None:
        for waiting in self._waiting:
            if waiting.done():  # the waiting caller gave up
                continue
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
