"""The log and its outbox: appends are published whole and in order, and nothing is lost."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from libs.runtime.clock import now
from libs.runtime.eventstore.store import APPEND
from libs.runtime.messaging.relay import (
    MARK,
    SPLIT,
    TAKE_OVER,
    UNPUBLISHED,
)
from libs.runtime.operations.migrations import RUNTIME_MIGRATIONS
from libs.runtime.operations.replay import LOG
from tests.conftest import Stack

INSERT_OLD_EVENT = """
insert into events (
    position, sequence, id, project, stream, version, type, schema_version, data, meta, recorded_at, published_at
) overriding system value
values ($1, $2, gen_random_uuid(), gen_random_uuid(), $1::bigint::text, 1, 'done', 1, '{}', '{}', now(), $3)
"""
SEQUENCES = "select position, sequence from log order by sequence"


@pytest.fixture
async def conn(stack: Stack) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Yield a connection to an empty schema."""
    conn = await asyncpg.connect(stack.admin_url)
    schema = f"log_{uuid4().hex}"
    await conn.execute(f"create schema {schema}; set search_path = {schema}")
    yield conn
    await conn.execute(f"drop schema {schema} cascade")
    await conn.close()


async def migrate(conn: "asyncpg.Connection[Any]", after: str = "", until: str = "9") -> None:
    for file in sorted(RUNTIME_MIGRATIONS.glob("*.sql")):
        if after < file.name <= until:
            await conn.execute(file.read_text())


async def append(conn: "asyncpg.Connection[Any]", *streams: str) -> None:
    rows = [(uuid4(), uuid4(), stream, 1, "done", 1, "{}", "{}", now()) for stream in streams]
    await conn.execute(APPEND, *zip(*rows, strict=True))


async def publish(conn: "asyncpg.Connection[Any]", max_events: int, stored: int | None = None) -> list[str]:
    """Record the next events as published, or only those that the bus stored, and return their streams."""
    rows = (await conn.fetch(UNPUBLISHED, max_events))[:stored]
    done = Counter(row["append"] for row in rows)
    if stored is not None:
        await conn.executemany(SPLIT, done.items())
    epoch = await conn.fetchval("select epoch from relay")
    if rows:
        assert await conn.fetchval(MARK, epoch, list(done), done.total())
    return [row["stream"] for row in rows]


async def test_appends_are_published_whole_and_in_order(conn: "asyncpg.Connection[Any]") -> None:
    await migrate(conn)
    for streams in ("abc", "d", "e", "f"):
        await append(conn, *streams)
    assert [await publish(conn, 2) for _ in range(3)] == [["a", "b", "c"], ["d", "e"], ["f"]]
    assert not await conn.fetchval("select exists (select from outbox)")
    assert [row["sequence"] for row in await conn.fetch(SEQUENCES)] == [1, 2, 3, 4, 5, 6]


async def test_the_unpublished_rest_of_an_append_is_published_next(conn: "asyncpg.Connection[Any]") -> None:
    await migrate(conn)
    await append(conn, "a", "b")
    await append(conn, "c", "d", "e")
    assert await publish(conn, 10, stored=3) == ["a", "b", "c"]
    assert await publish(conn, 10, stored=0) == []
    assert await publish(conn, 10) == ["d", "e"]
    assert [row["sequence"] for row in await conn.fetch(SEQUENCES)] == [1, 2, 3, 4, 5]
    assert not await conn.fetchval("select exists (select from outbox)")


@pytest.mark.parametrize("page", [1, 2, 3, 10])
async def test_the_published_log_can_be_read_in_pages_of_any_size(conn: "asyncpg.Connection[Any]", page: int) -> None:
    await migrate(conn)
    for streams in ("abc", "d", "efghi", "jk"):
        await append(conn, *streams)
    while await publish(conn, 4):
        pass
    read: list[tuple[int, str]] = []
    while rows := await conn.fetch(LOG, len(read), page):
        assert len(rows) <= page
        read += [(row["sequence"], row["stream"]) for row in rows]
    assert read == list(enumerate("abcdefghijk", 1))


async def test_a_log_from_before_the_outbox_keeps_its_order(conn: "asyncpg.Connection[Any]") -> None:
    await migrate(conn, until="0003")
    old = {1: 1, 2: 2, 4: 3, 3: 4, 5: 5, 9: 6, 10: 7, 7: None, 12: None}
    for position, sequence in old.items():
        await conn.execute(INSERT_OLD_EVENT, position, sequence, now() if sequence else None)
    await conn.execute("update relay set sequence = 7")
    await migrate(conn, after="0003")
    assert [tuple(row) for row in await conn.fetch(SEQUENCES)] == [(p, s) for p, s in old.items() if s]
    await append(conn, "new")
    assert await publish(conn, 10) == ["7", "12", "new"]
    assert [row["position"] for row in await conn.fetch(SEQUENCES)][-3:-1] == [7, 12]


async def test_a_replaced_relay_cannot_record_anything(conn: "asyncpg.Connection[Any]") -> None:
    await migrate(conn)
    await append(conn, "a")
    before = await conn.fetchval("select epoch from relay")
    await conn.fetchval(TAKE_OVER)
    [row] = await conn.fetch(UNPUBLISHED, 10)
    assert await conn.fetchval(MARK, before, [row["append"]], 1) is None
    assert await conn.fetchval("select events from outbox") == 1
    assert await conn.fetch(SEQUENCES) == []
