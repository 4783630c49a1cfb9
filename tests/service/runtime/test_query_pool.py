"""Queries have connections of their own, which the projects share."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QUERY_TIMEOUT, RateLimited, Unavailable, ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import running, tell
from libs.schemas.base import Query
from tests.conftest import Stack
from tests.service.runtime.tally_service import Add, GetTotal, Total, build


class Sleep(Query, tag="sleep", frozen=True, kw_only=True):
    service: ClassVar[str] = "tally"
    seconds: float


class Write(Query, tag="write", frozen=True, kw_only=True):
    service: ClassVar[str] = "tally"


class CountAll(Query, tag="count-all", frozen=True, kw_only=True):
    """Forgets its project."""

    service: ClassVar[str] = "tally"


async def count_all(conn: Connection, project: UUID, query: CountAll) -> Total:
    return Total(total=await conn.fetchval("select count(*) from total"))


async def sleep(conn: Connection, project: UUID, query: Sleep) -> Total:
    await conn.execute("select pg_sleep($1)", query.seconds)
    return Total(total=0)


async def write(conn: Connection, project: UUID, query: Write) -> Total:
    await conn.execute("delete from total")
    return Total(total=0)


@pytest.fixture(scope="module")
async def tally(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("tally", database_query_pool=2)
    service = build(config)
    await stack.prepare([service])
    service = replace(service, queries={**service.queries, Sleep: sleep, Write: write, CountAll: count_all})
    async with running(service, config) as runtime:
        yield runtime


@pytest.mark.serial
async def test_slow_queries_of_one_project_leave_commands_and_queries_of_others_alone(tally: Runtime) -> None:
    attacker, victim, key = uuid4(), uuid4(), uuid4().hex
    attack = [asyncio.create_task(ask(tally.client, attacker, Sleep(seconds=1.5), Total)) for _ in range(6)]
    await asyncio.sleep(0.2)
    await tell(tally.client, victim, Add(key=key, amount=3), Total)
    assert (await ask(tally.client, victim, GetTotal(key=key), Total)).total == 3
    assert not any(task.done() for task in attack), "the victim did not wait for any of the attacker's queries"
    outcomes = await asyncio.gather(*attack, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, RateLimited)]
    assert refused, "two slots of 1.5 s serve two of six within the wait of 2 s"
    assert refused[0].retry_after == 2
    assert len(refused) < len(outcomes)


async def test_a_query_that_takes_too_long_is_ended_by_postgres(tally: Runtime, project: UUID) -> None:
    async with tally.query_pool.acquire() as conn:
        assert await conn.fetchval("show statement_timeout") == f"{QUERY_TIMEOUT:g}s"
    with pytest.raises(Unavailable, match="longer than 5 seconds"):
        await ask(tally.client, project, Sleep(seconds=30), Total)


async def test_a_query_cannot_write(tally: Runtime) -> None:
    async with tally.query_pool.acquire() as conn:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await write(conn, uuid4(), Write())


async def test_a_query_that_forgets_its_project_sees_no_row_of_another(tally: Runtime) -> None:
    one, other = uuid4(), uuid4()
    for project, count in ((one, 1), (other, 2)):
        for _ in range(count):
            await tell(tally.client, project, Add(key=uuid4().hex, amount=1), Total)
    for project, count in ((one, 1), (other, 2), (one, 1), (uuid4(), 0)):
        assert (await ask(tally.client, project, CountAll(), Total)).total == count
