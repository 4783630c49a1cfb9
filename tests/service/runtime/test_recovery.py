"""Recovery from a bug in a projection, a lost table, a lost stream, and a relay that was paused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext

from libs.runtime.messaging.bus import ask
from libs.runtime.messaging.dead_letters import DeadLetters, NoSuchDeadLetter
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
from tests.service.runtime.dead_letters import dead_letter_of
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


async def test_an_event_that_breaks_a_projection_is_dead_lettered_and_can_be_retried(
    tally: Runtime, totals: TotalModel, project: UUID
) -> None:
    key = str(uuid4())
    totals.broken = True
    await announce(tally.client, project, Noticed(key=key, amount=7))
    dead_letter = await dead_letter_of(tally.client, project)
    assert dead_letter.consumer == "tally-events"
    assert dead_letter.attempts == 3
    assert dead_letter.error == "RuntimeError: planted in the projection"
    assert await facts(tally, project) == []

    totals.broken = False
    await DeadLetters(tally.client).retry(dead_letter.number)

    async def handled() -> bool:
        return bool(await facts(tally, project))

    await eventually(handled)
    assert (await ask(tally.client, project, GetTotal(key=key), Total)).total == 7
    with pytest.raises(NoSuchDeadLetter):
        await DeadLetters(tally.client).get(dead_letter.number)


async def test_a_dead_letter_that_fails_again_is_dead_lettered_again(
    tally: Runtime, totals: TotalModel, project: UUID
) -> None:
    totals.broken = True
    await announce(tally.client, project, Noticed(key=str(uuid4()), amount=7))
    first = await dead_letter_of(tally.client, project)
    await DeadLetters(tally.client).retry(first.number)
    second = await dead_letter_of(tally.client, project)
    totals.broken = False
    assert second.number > first.number
    assert second.message_id == first.message_id
    await DeadLetters(tally.client).drop(second.number)


async def test_a_message_that_cannot_be_decoded_is_dead_lettered_at_once(tally: Runtime, project: UUID) -> None:
    headers = {"Nats-Msg-Id": str(uuid4()), "godwit-project": str(project)}
    await tally.client.jetstream().publish(f"evt.other.{project}.other.noticed", b"{}", headers=headers)
    dead_letter = await dead_letter_of(tally.client, project)
    assert dead_letter.attempts == 1


async def test_a_timer_that_keeps_failing_is_dead_lettered_and_can_be_retried(
    tally: Runtime, totals: TotalModel, project: UUID
) -> None:
    key = str(uuid4())
    await tell(tally.client, project, Add(key=key, amount=1, again_in=0.2), Total)
    totals.broken = True
    dead_letter = await dead_letter_of(tally.client, project)
    totals.broken = False
    assert dead_letter.consumer == "tally-timers"
    await DeadLetters(tally.client).retry(dead_letter.number)

    async def fired() -> bool:
        return (await ask(tally.client, project, GetTotal(key=key), Total)).total == 2

    await eventually(fired)


async def test_read_models_that_are_rebuilt_under_load_are_correct(
    tally: Runtime, totals: TotalModel, stack: Stack, project: UUID
) -> None:
    keys = [str(uuid4()) for _ in range(20)]
    stop = asyncio.Event()

    async def send_messages() -> int:
        sent = 0
        while not stop.is_set():
            await tell(tally.client, project, Add(key=keys[sent % 20], amount=1), Total)
            await announce(tally.client, project, Noticed(key=keys[sent % 20], amount=1))
            sent += 1
        return sent

    load = [asyncio.create_task(send_messages()) for _ in range(4)]
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
    assert {row["key"]: row["total"] for row in counted} == await totals_in_log(tally, project)


async def test_work_yields_to_queued_commands_but_not_for_ever(
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


async def totals_in_log(tally: Runtime, project: UUID) -> dict[str, int]:
    totals: dict[str, int] = {}
    for _, data in await facts(tally, project):
        totals[data["key"]] = totals.get(data["key"], 0) + data["amount"]
    return totals


async def test_a_table_that_is_dropped_under_load_is_rebuilt_without_losses(
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
async def test_a_rebuild_that_misses_events_fails_and_keeps_the_old_table(
    tally: Runtime, stack: Stack, project: UUID, monkeypatch: pytest.MonkeyPatch, kept: slice
) -> None:
    class Losing(PullClient):
        async def fetch(self, max_messages: int, seconds: float) -> Sequence[Msg]:
            return (await super().fetch(max_messages, seconds))[kept]

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
    """Retry what was dead-lettered while the table was missing (the retry delays of the tests are short)."""
    await asyncio.sleep(1)
    dead_letters = DeadLetters(tally.client)
    async for dead_letter in dead_letters.all():
        if dead_letter.headers["godwit-project"] == str(project):
            await dead_letters.retry(dead_letter.number)


async def test_a_purged_stream_is_refilled_from_the_log_and_consumers_handle_nothing_twice(
    tally: Runtime, owner: "asyncpg.Connection[asyncpg.Record]", project: UUID
) -> None:
    for _ in range(5):
        await tell(tally.client, project, Add(key="again", amount=1), Total)

    async def published() -> bool:
        return not await tally.pool.fetchval("select exists (select from outbox)")

    await eventually(published)
    js = tally.client.jetstream()
    async with without_deduplication(js):
        await js.purge_stream("EVENTS")
        async for _ in replay(owner, Publisher(tally.client, "EVENTS"), "tally", 0):
            pass
    subscription = await js.subscribe(f"evt.tally.{project}.>", ordered_consumer=True)
    versions = [(await subscription.next_msg(timeout=5)).headers for _ in range(5)]
    assert [(headers or {})["godwit-version"] for headers in versions] == ["1", "2", "3", "4", "5"]


@asynccontextmanager
async def without_deduplication(js: JetStreamContext) -> AsyncIterator[None]:
    """Let JetStream forget message ids at once: otherwise it drops the replay of recent events as duplicates."""
    config = (await js.stream_info("EVENTS")).config
    window = config.duplicate_window
    await js.update_stream(config.evolve(duplicate_window=0.1))
    message_id = {"Nats-Msg-Id": str(uuid4())}

    async def is_forgotten() -> bool:
        return not (await js.publish("evt.test.test.test", headers=message_id)).duplicate

    await is_forgotten()
    await eventually(is_forgotten)  # and with it every older message id
    try:
        yield
    finally:
        await js.update_stream(config.evolve(duplicate_window=window))


async def test_a_replaced_relay_cannot_record_anything(stack: Stack, tally: Runtime, project: UUID) -> None:
    async def leading() -> bool:
        return tally.relay.active

    await eventually(leading)
    await tally.pool.fetchval(TAKE_OVER)
    epoch = await tally.pool.fetchval("select epoch from relay")
    assert await tally.pool.fetch(MARK, epoch - 1, [1], 1) == []
    # the deposed relay notices, stands by, and leads again with a new epoch
    await tell(tally.client, project, Add(key="after", amount=1), Total)

    async def published() -> bool:
        return not await tally.pool.fetchval("select exists (select from outbox)")

    await eventually(published)


async def test_a_batch_with_a_duplicate_is_published_one_by_one_and_nothing_is_lost(
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
