"""Work that ends its process is put aside, and what was at hand beside it is done once."""

from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import pytest
from nats.js.api import ConsumerConfig

from libs.kernel.rejection import Rejected
from libs.runtime.messaging.bus import Unavailable, ask
from libs.runtime.messaging.dead_letters import DeadLetters
from libs.runtime.messaging.suspects import MAX_DEATHS, MAX_INNOCENT_ATTEMPTS
from libs.runtime.process.testing import announce, eventually, send
from tests.conftest import Stack
from tests.service.runtime.dead_letters import dead_letter_of, dead_letters_of
from tests.service.runtime.poisonous_tally import KILLS, STALLS, Tallies
from tests.service.runtime.tally_service import Add, GetTotal, Noticed, Total, build

INNOCENT, POISONS = 20, 7
MAX_EXPECTED_DEATHS = 2 * (MAX_INNOCENT_ATTEMPTS + MAX_DEATHS)
"""A slow machine may end a process for other reasons, too."""


@pytest.fixture(scope="module")
async def tallies(stack: Stack) -> AsyncIterator[Tallies]:
    """A tally whose messages are delivered again soon after its process has died."""
    config = stack.settings("tally", retry_delays="0.05,0.1")
    await stack.prepare([build(config)])
    for stream, consumer in (("COMMANDS", "tally-commands"), ("EVENTS", "tally-events")):
        js = stack.client.jetstream()
        usual = (await js.consumer_info(stream, consumer)).config
        await js.add_consumer(stream, _delivering_after(usual, 0.5))
    yield Tallies(config)
    await stack.prepare([build(config)])


def _delivering_after(config: ConsumerConfig, seconds: float) -> ConsumerConfig:
    config.ack_wait = seconds
    return config


async def totals_of(stack: Stack, project: UUID, keys: list[str]) -> list[int]:
    async def answers() -> list[int] | None:
        with suppress(Unavailable, Rejected):  # a process may be starting
            return [(await ask(stack.client, project, GetTotal(key=key), Total)).total for key in keys]
        return None

    return await eventually(answers)


@pytest.mark.parametrize("poison", [KILLS, STALLS])
async def test_a_command_that_ends_its_process_is_put_aside_and_the_others_are_handled_once(
    tallies: Tallies, stack: Stack, project: UUID, poison: str
) -> None:
    keys = [uuid4().hex for _ in range(INNOCENT)]
    for key in keys[: INNOCENT // 2]:
        await send(stack.client, project, Add(key=key, amount=1))
    await send(stack.client, project, Add(key=poison + uuid4().hex, amount=1))
    for key in keys[INNOCENT // 2 :]:
        await send(stack.client, project, Add(key=key, amount=1))
    async with tallies:
        before = tallies.deaths
        dead = await dead_letter_of(stack.client, project)
        assert await totals_of(stack, project, keys) == [1] * INNOCENT
        assert MAX_INNOCENT_ATTEMPTS < tallies.deaths - before <= MAX_EXPECTED_DEATHS
    assert dead.consumer == "tally-commands"
    assert dead.error.startswith("ProcessDied: 3 processes died while they did nothing else")


async def test_many_commands_that_end_their_process_are_all_put_aside(
    tallies: Tallies, stack: Stack, project: UUID
) -> None:
    """Each death delivers everything that waits once more. The server must never stop delivering."""
    keys = [uuid4().hex for _ in range(INNOCENT)]
    for number in range(POISONS):
        await send(stack.client, project, Add(key=f"{KILLS}{number}-{uuid4().hex}", amount=1))
    for key in keys:
        await send(stack.client, project, Add(key=key, amount=1))

    async def all_put_aside() -> bool:
        return len(await dead_letters_of(stack.client, project)) == POISONS

    async with tallies:
        await eventually(all_put_aside, within=120)
        assert await totals_of(stack, project, keys) == [1] * INNOCENT


async def test_what_was_put_aside_can_be_tried_again(tallies: Tallies, stack: Stack, project: UUID) -> None:
    await send(stack.client, project, Add(key=KILLS + uuid4().hex, amount=1))
    async with tallies:
        first = await dead_letter_of(stack.client, project)
        await DeadLetters(stack.client).retry(first.number)
        again = await dead_letter_of(stack.client, project)
    assert again.number > first.number and again.message_id == first.message_id
    assert again.attempts > MAX_INNOCENT_ATTEMPTS, "it was tried, and not only found in the notes"


async def test_an_event_that_ends_its_process_is_put_aside(tallies: Tallies, stack: Stack, project: UUID) -> None:
    key = uuid4().hex
    await announce(stack.client, project, Noticed(key=key, amount=1))
    await announce(stack.client, project, Noticed(key=KILLS + key, amount=1))
    async with tallies:
        dead = await dead_letter_of(stack.client, project)
        assert await totals_of(stack, project, [key]) == [1]
    assert (dead.consumer, dead.error.partition(":")[0]) == ("tally-events", "ProcessDied")


async def test_a_timer_that_ends_its_process_is_put_aside(tallies: Tallies, stack: Stack, project: UUID) -> None:
    key = uuid4().hex
    await send(stack.client, project, Add(key=key, amount=1, again_in=0.1))
    await send(stack.client, project, Add(key=KILLS + key, amount=1, again_in=0.1))
    async with tallies:
        dead = await dead_letter_of(stack.client, project)

        async def fired() -> bool:
            return await totals_of(stack, project, [key]) == [2]

        await eventually(fired)
    assert (dead.consumer, dead.error.partition(":")[0]) == ("tally-timers", "ProcessDied")


async def test_nothing_is_noted_any_more(tallies: Tallies, stack: Stack) -> None:
    conn = await asyncpg.connect(stack.url_as("godwit_tally"))
    try:
        assert await conn.fetchval("select count(*) from suspect") == 0
    finally:
        await conn.close()
