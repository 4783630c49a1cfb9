"""The guarantees of the runtime, shown with a minimal service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging import backpressure
from libs.runtime.messaging.bus import ask
from libs.runtime.messaging.group_commit import QueuedMessage
from libs.runtime.process import database, lifecycle
from libs.runtime.process.database import open_pool
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.serving import listen
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
    tell,
)
from tests.conftest import Stack
from tests.service.runtime.tally_service import Add, GetTotal, Noticed, Total, build


@pytest.fixture(scope="module")
async def tally(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("tally")
    await stack.prepare([build(config)])
    async with running(build(config), config) as runtime:
        yield runtime


async def total(tally: Runtime, project: UUID, key: str) -> int:
    return (await ask(tally.client, project, GetTotal(key=key), Total)).total


async def test_the_reply_to_a_command_follows_the_commit_of_its_events(tally: Runtime, project: UUID) -> None:
    key = str(uuid4())
    assert (await tell(tally.client, project, Add(key=key, amount=2), Total)).total == 2
    assert await facts(tally, project) == [("tally.added", {"type": "tally.added", "key": key, "amount": 2})]
    assert await total(tally, project, key) == 2


async def test_a_rejected_command_changes_nothing(tally: Runtime, project: UUID) -> None:
    with pytest.raises(Rejected, match="below zero"):
        await tell(tally.client, project, Add(key="poor", amount=-1), Total)
    assert await facts(tally, project) == []


async def test_a_repeated_command_gets_the_stored_reply_and_takes_effect_once(tally: Runtime, project: UUID) -> None:
    command_id, key = uuid4(), str(uuid4())
    first = await tell(tally.client, project, Add(key=key, amount=5), Total, command_id)
    await tell(tally.client, project, Add(key=key, amount=1), Total)
    # submitted without the bus, so that the inbox recognises the duplicate and not JetStream
    again = await tally.consumers["tally-commands"].commit.submit(_command(command_id, project, Add(key=key, amount=5)))
    assert first.total == 5
    assert again is not None and b'"total":5' in again
    assert await total(tally, project, key) == 6


async def test_many_commands_for_one_key_are_all_counted(tally: Runtime, project: UUID) -> None:
    key = str(uuid4())
    await asyncio.gather(*(tell(tally.client, project, Add(key=key, amount=1), Total) for _ in range(200)))
    assert await total(tally, project, key) == 200


async def test_work_waits_while_there_is_backpressure_but_not_for_ever(
    tally: Runtime, project: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backpressure, "MEMORY_SECONDS", 60.0)
    commit, key = tally.consumers["tally-commands"].commit, str(uuid4())
    one, *many = [
        QueuedMessage(_command(uuid4(), project, Add(key=key, amount=1))) for _ in range(backpressure.MIN_MESSAGES + 1)
    ]
    await commit.submit_all([one])
    await asyncio.wait_for(commit.backpressure.wait_for_end(), 10)
    await commit.submit_all(many)
    waiting = asyncio.create_task(commit.backpressure.wait_for_end())
    await tally.wait_out_backpressure(0.01)
    assert not waiting.done()
    monkeypatch.setattr(backpressure, "MAX_SECONDS", 0.0)
    await commit.submit_all([QueuedMessage(_command(uuid4(), project, Add(key=key, amount=1))) for _ in many])
    await asyncio.wait_for(commit.backpressure.wait_for_end(), 10)
    waiting.cancel()


async def test_a_bad_command_does_not_affect_its_batch(tally: Runtime, project: UUID) -> None:
    good = [tell(tally.client, project, Add(key=str(uuid4()), amount=1), Total) for _ in range(50)]
    bad = tell(tally.client, project, Add(key="x", amount=2**63), Total)
    results = await asyncio.gather(*good, asyncio.wait_for(bad, 1), return_exceptions=True)
    assert [r for r in results[:-1] if isinstance(r, BaseException)] == []
    assert isinstance(results[-1], TimeoutError)


async def test_every_event_is_published_in_order_with_its_envelope(tally: Runtime, project: UUID) -> None:
    key = str(uuid4())
    subscription = await tally.client.jetstream().subscribe(f"evt.tally.{project}.>", ordered_consumer=True)
    for amount in range(1, 11):
        await tell(tally.client, project, Add(key=key, amount=amount), Total)
    messages = [await subscription.next_msg(timeout=5) for _ in range(10)]
    headers = [message.headers or {} for message in messages]
    assert [h["godwit-version"] for h in headers] == [str(n) for n in range(1, 11)]
    assert {h["ce-type"] for h in headers} == {"tally.added.v1"}
    assert {h["ce-subject"] for h in headers} == {f"tally-{key}"}


async def test_the_published_sequence_is_dense(tally: Runtime, project: UUID) -> None:
    await asyncio.gather(*(tell(tally.client, project, Add(key=str(uuid4()), amount=1), Total) for _ in range(100)))

    async def all_published() -> bool:
        return not await tally.pool.fetchval("select exists (select from outbox)")

    await eventually(all_published)
    row = await tally.pool.fetchrow("select count(*) as n, min(sequence) as low, max(sequence) as high from log")
    assert row is not None and (row["low"], row["high"]) == (1, row["n"])


async def test_a_timer_fires_once_when_it_is_due(tally: Runtime, project: UUID) -> None:
    key = str(uuid4())
    await tell(tally.client, project, Add(key=key, amount=3, again_in=0.2), Total)

    async def doubled() -> bool:
        return await total(tally, project, key) == 6

    await eventually(doubled)
    await asyncio.sleep(0.5)
    assert await total(tally, project, key) == 6


async def test_a_foreign_event_is_folded_and_handled_once_however_often_it_arrives(
    tally: Runtime, project: UUID
) -> None:
    key, event_id = str(uuid4()), uuid4()
    event = Noticed(key=key, amount=4)
    await announce(tally.client, project, event, event_id=event_id)

    async def reacted() -> bool:
        return bool(await facts(tally, project))

    await eventually(reacted)
    envelope = _event(event_id, project, event)
    await tally.consumers["tally-events"].commit.submit(envelope)
    assert await total(tally, project, key) == 4
    assert await tally.pool.fetchval("select total from noticed where project = $1", project) == 4


async def test_a_service_whose_port_is_in_use_ends_and_names_the_port(tally: Runtime) -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        config = msgspec.structs.replace(tally.settings, health_port=port)
        with pytest.raises(ExceptionGroup) as ended:
            async with asyncio.timeout(10), running(build(config), config):
                pass
    assert [str(port) in str(error) for error in ended.value.exceptions] == [True]


async def test_a_connection_that_is_never_released_does_not_keep_a_service_from_ending(
    tally: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CLOSE_SECONDS", 0.1)
    async with asyncio.timeout(10):
        async with open_pool(tally.settings) as pool:
            kept = await pool.acquire()
        with pytest.raises(asyncpg.InterfaceError):
            await kept.fetchval("select 1")


async def stubborn(_: Runtime) -> None:
    """Swallow the first cancellation."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(3600)


async def broken(_: Runtime) -> None:
    raise RuntimeError("planted")


async def test_a_service_ends_even_if_its_work_swallows_a_cancellation(
    tally: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "CANCEL_SECONDS", 0.1)
    config = tally.settings
    async with asyncio.timeout(10), running(msgspec.structs.replace(build(config), work=(stubborn,)), config):
        pass
    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        async with asyncio.timeout(10):
            await lifecycle.serve(msgspec.structs.replace(build(config), work=(stubborn, broken)), config)


def _command(command_id: UUID, project: UUID, command: Add) -> Envelope[Add]:
    return Envelope(id=command_id, project=project, message=command, at=now())


def _event(event_id: UUID, project: UUID, event: Noticed) -> Envelope[Noticed]:
    return Envelope(id=event_id, project=project, message=event, at=now(), stream=f"other-{event.key}", version=1)
