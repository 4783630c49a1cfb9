"""How a service comes back: from a bug in a projection, a lost table, a lost stream, a relay that was paused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest
from nats.aio.msg import Msg

from libs.runtime.messaging.bus import ask
from libs.runtime.messaging.dead_letters import DeadLetter, DeadLetters, NoSuchDeadLetter
from libs.runtime.messaging.publisher import Outgoing, Publisher
from libs.runtime.messaging.pull_client import PullClient
from libs.runtime.messaging.relay import MARK, TAKE_OVER
from libs.runtime.operations import event_readers
from libs.runtime.operations.event_readers import EventsLost
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.operations.replay import replay
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
    tell,
)
from tests.conftest import Stack
from tests.service.runtime.tally_service import Add, GetTotal, Noticed, NoticedModel, Total, TotalModel, build


@pytest.fixture(scope="module")
def totals() -> TotalModel:
    return TotalModel()


@pytest.fixture(scope="module")
async def tally(stack: Stack, totals: TotalModel) -> AsyncIterator[Runtime]:
    config = stack.settings("tally")
    await stack.prepare([build(config)])
    async with running(build(config, totals), config) as runtime:
        yield runtime


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    conn = await asyncpg.connect(stack.admin_url)
    yield conn
    await conn.close()


async def letter_about(tally: Runtime, project: UUID) -> DeadLetter:
    async def found() -> DeadLetter | None:
        async for dead_letter in DeadLetters(tally.client).all():
            if dead_letter.headers["godwit-project"] == str(project):
                return dead_letter
        return None

    return await eventually(found)


async def test_an_event_that_breaks_a_projection_is_retried_then_dead_lettered_and_heals(
    tally: Runtime, totals: TotalModel, project: UUID
) -> None:
    key = str(uuid4())
    totals.broken = True
    await announce(tally.client, project, Noticed(key=key, amount=7))
    dead_letter = await letter_about(tally, project)
    assert dead_letter.consumer == "tally-events"
    assert dead_letter.attempts == 3
    assert dead_letter.error == "RuntimeError: planted in the projection"
    assert await facts(tally, project) == []

    totals.broken = False
    await DeadLetters(tally.client).retry(dead_letter.number)

    async def healed() -> bool:
        return bool(await facts(tally, project))

    await eventually(healed)
    assert (await ask(tally.client, project, GetTotal(key=key), Total)).total == 7
    with pytest.raises(NoSuchDeadLetter):
        await DeadLetters(tally.client).get(dead_letter.number)


async def test_a_letter_that_fails_again_is_dead_lettered_again(
    tally: Runtime, totals: TotalModel, project: UUID
) -> None:
    totals.broken = True
    await announce(tally.client, project, Noticed(key=str(uuid4()), amount=7))
    first = await letter_about(tally, project)
    await DeadLetters(tally.client).retry(first.number)
    second = await letter_about(tally, project)
    totals.broken = False
    assert second.number > first.number
    assert second.message_id == first.message_id
    await DeadLetters(tally.client).drop(second.number)


async def test_a_message_that_cannot_be_read_is_dead_lettered_at_once(tally: Runtime, project: UUID) -> None:
    headers = {"Nats-Msg-Id": str(uuid4()), "godwit-project": str(project)}
    await tally.client.jetstream().publish(f"evt.other.{project}.other.noticed", b"{}", headers=headers)
    dead_letter = await letter_about(tally, project)
    assert dead_letter.attempts == 1


async def test_a_timer_that_fails_for_good_is_dead_lettered_and_can_be_sent_back(
    tally: Runtime, totals: TotalModel, project: UUID
) -> None:
    key = str(uuid4())
    await tell(tally.client, project, Add(key=key, amount=1, again_in=0.2), Total)
    totals.broken = True
    dead_letter = await letter_about(tally, project)
    totals.broken = False
    assert dead_letter.consumer == "tally-timers"
    await DeadLetters(tally.client).retry(dead_letter.number)

    async def fired() -> bool:
        return (await ask(tally.client, project, GetTotal(key=key), Total)).total == 2

    await eventually(fired)


async def test_read_models_rebuilt_under_traffic_equal_those_that_were_never_rebuilt(
    tally: Runtime, totals: TotalModel, stack: Stack, project: UUID
) -> None:
    keys = [str(uuid4()) for _ in range(20)]
    stop = asyncio.Event()

    async def traffic() -> int:
        sent = 0
        while not stop.is_set():
            await tell(tally.client, project, Add(key=keys[sent % 20], amount=1), Total)
            await announce(tally.client, project, Noticed(key=keys[sent % 20], amount=1))
            sent += 1
        return sent

    load = [asyncio.create_task(traffic()) for _ in range(4)]
    await asyncio.sleep(0.5)
    for _ in range(3):
        await rebuild(stack.admin_url, tally.client, tally.service, [totals, NoticedModel()])
    stop.set()
    sent = sum(await asyncio.gather(*load))

    async def settled() -> bool:
        return len(await facts(tally, project)) == 2 * sent

    await eventually(settled)
    counted = await tally.pool.fetch("select key, total from total where project = $1", project)
    noticed = await tally.pool.fetch("select key, total from noticed where project = $1", project)
    assert sum(row["total"] for row in noticed) == sent
    assert {row["key"]: row["total"] for row in counted} == await recount(tally, project)


async def test_work_gives_way_to_the_commands_at_hand_but_not_for_ever(
    tally: Runtime, owner: "asyncpg.Connection[asyncpg.Record]", project: UUID
) -> None:
    before = await tally.yield_to_commands(10)
    async with owner.transaction():
        await owner.execute("lock table tally.total in exclusive mode")
        held = asyncio.create_task(tell(tally.client, project, Add(key="held", amount=1), Total))
        await eventually(partial(tally.pool.fetchval, "select exists (select from pg_locks where not granted)"))
        assert await tally.yield_to_commands(0.01) == before and not held.done()
    assert await tally.yield_to_commands(10) > before
    assert (await held).total == 1


async def recount(tally: Runtime, project: UUID) -> dict[str, int]:
    totals: dict[str, int] = {}
    for _, data in await facts(tally, project):
        totals[data["key"]] = totals.get(data["key"], 0) + data["amount"]
    return totals


async def test_a_table_that_was_dropped_under_traffic_is_rebuilt_and_nothing_is_lost(
    tally: Runtime, stack: Stack, owner: "asyncpg.Connection[asyncpg.Record]", project: UUID
) -> None:
    key = str(uuid4())
    await tell(tally.client, project, Add(key=key, amount=1), Total)
    await owner.execute("drop table tally.noticed")
    for _ in range(10):
        await announce(tally.client, project, Noticed(key=key, amount=1))
    await rebuild(stack.admin_url, tally.client, tally.service, [NoticedModel()])
    await retry_all(tally, project)

    async def caught_up() -> bool:
        total: int = await tally.pool.fetchval("select total from noticed where project = $1", project)
        return total == 10

    await eventually(caught_up)
    assert (await ask(tally.client, project, GetTotal(key=key), Total)).total == 11


@pytest.mark.parametrize("kept", [slice(1, None), slice(-1), slice(0)], ids=["the first", "the last", "all"])
async def test_a_rebuild_that_lost_events_on_their_way_fails_and_the_old_table_goes_on(
    tally: Runtime, stack: Stack, project: UUID, monkeypatch: pytest.MonkeyPatch, kept: slice
) -> None:
    class Losing(PullClient):
        async def fetch(self, most: int, seconds: float) -> Sequence[Msg]:
            return (await super().fetch(most, seconds))[kept]

    async def noticed(times: int) -> bool:
        total: int | None = await tally.pool.fetchval("select total from noticed where project = $1", project)
        return total == times

    for _ in range(3):
        await announce(tally.client, project, Noticed(key=str(project), amount=1))
    await eventually(partial(noticed, 3))
    with monkeypatch.context() as losing, pytest.raises(EventsLost):
        losing.setattr(event_readers, "PullClient", Losing)
        await rebuild(stack.admin_url, tally.client, tally.service, [NoticedModel()])
    assert await noticed(3)
    await announce(tally.client, project, Noticed(key=str(project), amount=1))
    await rebuild(stack.admin_url, tally.client, tally.service, [NoticedModel()])
    await eventually(partial(noticed, 4))


async def retry_all(tally: Runtime, project: UUID) -> None:
    """Send back what was dead-lettered while the table was away (the tests' delays are short)."""
    await asyncio.sleep(1)
    letters = DeadLetters(tally.client)
    async for dead_letter in letters.all():
        if dead_letter.headers["godwit-project"] == str(project):
            await letters.retry(dead_letter.number)


async def test_a_stream_that_was_purged_is_refilled_from_the_log_and_consumers_do_nothing_twice(
    tally: Runtime, owner: "asyncpg.Connection[asyncpg.Record]", project: UUID
) -> None:
    for _ in range(5):
        await tell(tally.client, project, Add(key="again", amount=1), Total)

    async def published() -> bool:
        return not await tally.pool.fetchval("select exists (select from outbox)")

    await eventually(published)
    js = tally.client.jetstream()
    await js.purge_stream("EVENTS")
    async for _ in replay(owner, Publisher(tally.client, "EVENTS"), "tally", 0):
        pass
    subscription = await js.subscribe(f"evt.tally.{project}.>", ordered_consumer=True)
    with suppress(TimeoutError):
        versions = [(await subscription.next_msg(timeout=5)).headers for _ in range(5)]
        assert [(headers or {})["godwit-version"] for headers in versions] == ["1", "2", "3", "4", "5"]


async def test_a_relay_that_was_replaced_cannot_mark_anything(stack: Stack, tally: Runtime, project: UUID) -> None:
    async def leading() -> bool:
        return tally.relay.active

    await eventually(leading)
    await tally.pool.fetchval(TAKE_OVER)
    epoch = await tally.pool.fetchval("select epoch from relay")
    assert await tally.pool.fetch(MARK, epoch - 1, [1], 1) == []
    # the deposed relay notices, steps down, and leads again under a new epoch
    await tell(tally.client, project, Add(key="after", amount=1), Total)

    async def published() -> bool:
        return not await tally.pool.fetchval("select exists (select from outbox)")

    await eventually(published)


async def test_a_batch_with_a_known_message_is_published_singly_and_nothing_is_lost(
    tally: Runtime, project: UUID
) -> None:
    def message(name: str) -> Outgoing:
        headers = {"Nats-Msg-Id": f"{project}-{name}"}
        return Outgoing(f"evt.batch.{project}.batch.tested", headers, name.encode())

    publisher = Publisher(tally.client, "EVENTS")
    assert await publisher.publish([message("a"), message("b")]) == 2
    assert await publisher.publish([message("b"), message("c"), message("d")]) == 3
    subscription = await tally.client.jetstream().subscribe(f"evt.batch.{project}.>", ordered_consumer=True)
    assert [(await subscription.next_msg(timeout=5)).data for _ in range(4)] == [b"a", b"b", b"c", b"d"]
