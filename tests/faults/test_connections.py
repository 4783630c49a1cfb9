"""Unreliable connections: lost responses, connections that die silently, and requests that never arrive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import msgspec
import pytest

from deploy.embedded.ports import free_ports
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.messaging import group_commit
from libs.runtime.messaging.bus import Unavailable, ask
from libs.runtime.process import database as pools
from libs.runtime.process import runtime as runtimes
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
    tell,
)
from tests.conftest import Stack
from tests.faults.proxy import FaultProxy, before_port, before_socket
from tests.faults.rig import SOCKET
from tests.service.runtime.tally_service import Add, Added, GetTotal, Noticed, Total, build


class Tally(msgspec.Struct, frozen=True):
    """A service that connects to its database and its bus through proxies."""

    runtime: Runtime
    database: FaultProxy
    bus: FaultProxy


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeout of database commands from twenty seconds to one."""
    for module in (group_commit, pools, runtimes):
        monkeypatch.setattr(module, "COMMAND_TIMEOUT", 1.0)


@pytest.fixture
async def tally(stack: Stack, tmp_path: Path) -> AsyncIterator[Tally]:
    async with database_proxy(stack, tmp_path) as database, bus_proxy(stack) as (bus, bus_url):
        url = f"{stack.url_as('godwit_tally').partition('?')[0]}?host={quote(str(tmp_path))}&port=5432"
        config = stack.settings("tally", database_url=url, nats_url=bus_url)
        await stack.prepare([build(config)])
        async with running(build(config), config) as runtime:
            yield Tally(runtime, database, bus)
            database.heal()
            bus.heal()


@asynccontextmanager
async def database_proxy(stack: Stack, directory: Path) -> AsyncIterator[FaultProxy]:
    host = parse_qs(urlsplit(stack.admin_url).query).get("host", [""])[0]
    if not host:
        pytest.skip("the proxy needs Postgres on a unix socket (GODWIT_TEST_BACKEND=embedded)")
    async with before_socket(Path(host) / SOCKET, directory / SOCKET) as proxy:
        yield proxy


@asynccontextmanager
async def bus_proxy(stack: Stack) -> AsyncIterator[tuple[FaultProxy, str]]:
    [own] = free_ports(1)
    async with before_port(urlsplit(stack.nats_url).port or 4222, own) as proxy:
        yield proxy, stack.nats_url.replace(f":{urlsplit(stack.nats_url).port}", f":{own}")


async def add(stack: Stack, project: UUID, command_id: UUID | None = None) -> int:
    """Add one to the project's tally, and return the new total."""
    return (await tell(stack.client, project, Add(key=str(project), amount=1), Total, command_id)).total


async def test_a_commit_whose_response_is_lost_takes_effect_once_and_the_caller_gets_its_result(
    stack: Stack, tally: Tally, project: UUID
) -> None:
    for number in range(1, 4):
        tally.database.lose_commits = 1
        command_id = uuid7()
        assert await add(stack, project, command_id) == number
    assert tally.database.lost == 3
    assert len(await facts(tally.runtime, project)) == 3


async def test_a_silently_dead_database_connection_is_abandoned(
    stack: Stack, impatient: None, tally: Tally, project: UUID
) -> None:
    await add(stack, project)
    tally.database.freeze_open()
    assert await add(stack, project) == 2
    assert len(await facts(tally.runtime, project)) == 2


async def test_a_query_to_a_service_without_its_database_can_be_retried(
    stack: Stack, tally: Tally, project: UUID
) -> None:
    await add(stack, project)
    async with refusing(tally.database):
        with pytest.raises(Unavailable):
            await ask(stack.client, project, GetTotal(key=str(project)), Total)
    assert (await ask(stack.client, project, GetTotal(key=str(project)), Total)).total == 1


@asynccontextmanager
async def refusing(proxy: FaultProxy) -> AsyncIterator[None]:
    """Reject all connections, as a server does while it starts."""
    proxy.refuses = True
    proxy.cut()
    try:
        yield
    finally:
        proxy.refuses = False


async def test_events_that_commit_out_of_order_are_all_published_each_stream_in_its_order(
    stack: Stack, tally: Tally, project: UUID
) -> None:
    """A position that is assigned early and committed late lies before positions that are already published."""
    late = Added(key=f"late-{uuid4()}", amount=1)
    async with tally.runtime.unit() as unit:
        unit.append([late], Origin(project=project))
        await unit.flush()
        for number in range(1, 6):  # each gets a later position, commits earlier and is published
            assert await add(stack, project) == number
        await eventually(lambda: _published(tally, project, 5))
    await eventually(lambda: _published(tally, project, 6))
    rows = await tally.runtime.pool.fetch(
        "select stream, version, sequence from log where project = $1 order by sequence", project
    )
    assert [row["version"] for row in rows if row["stream"] == f"tally-{project}"] == [1, 2, 3, 4, 5]
    assert rows[-1]["stream"] == f"tally-{late.key}"
    gaps = "select max(sequence) - count(*) from log"
    assert await tally.runtime.pool.fetchval(gaps) == 0


async def _published(tally: Tally, project: UUID, count: int) -> bool:
    query = "select count(*) from log where project = $1"
    return bool(await tally.runtime.pool.fetchval(query, project) == count)


async def test_a_lost_pull_request_is_sent_again(stack: Stack, tally: Tally, project: UUID) -> None:
    tally.bus.swallow_pulls = 4
    await eventually(lambda: _swallowed(tally))
    await announce(stack.client, project, Noticed(key=str(project), amount=1))
    assert await add(stack, project) >= 1
    await eventually(lambda: _has_facts(tally, project, 2))


async def _swallowed(tally: Tally) -> bool:
    return tally.bus.swallow_pulls == 0


async def _has_facts(tally: Tally, project: UUID, count: int) -> bool:
    return len(await facts(tally.runtime, project)) == count


async def test_events_committed_while_the_bus_is_frozen_are_published_when_it_thaws(
    stack: Stack, tally: Tally, project: UUID
) -> None:
    tally.bus.freeze()
    async with tally.runtime.unit() as unit:
        unit.append([Added(key=f"k-{uuid4()}", amount=1)], Origin(project=project))
    await asyncio.sleep(1)
    assert not await _published(tally, project, 1)
    tally.bus.thaw()
    await eventually(lambda: _published(tally, project, 1), within=30)
    assert await add(stack, project) == 1


async def test_a_service_that_stops_while_the_bus_is_unreachable_ends_without_an_error(stack: Stack) -> None:
    async with bus_proxy(stack) as (bus, bus_url):
        config = stack.settings("tally", nats_url=bus_url)
        await stack.prepare([build(config)])

        async def is_reconnecting() -> bool:
            return runtime.client.is_reconnecting

        async with asyncio.timeout(30), running(build(config), config) as runtime:
            bus.refuses = True
            bus.cut()
            await eventually(is_reconnecting)
        assert runtime.client.is_closed
