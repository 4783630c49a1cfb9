"""Timeouts that do not raise."""

import asyncio

import pytest

from libs.runtime.timeouts import soft_timeout


async def test_the_wait_ends_without_an_exception() -> None:
    async with soft_timeout(0.01):
        await asyncio.Event().wait()
        raise AssertionError("the event was not set")


async def test_the_block_ends_as_soon_as_the_event_is_set() -> None:
    happened = asyncio.Event()
    asyncio.get_running_loop().call_soon(happened.set)
    async with asyncio.timeout(1), soft_timeout(60):
        await happened.wait()
        return
    raise AssertionError("the wait ended too early")


@pytest.mark.parametrize("moments", range(6))
async def test_a_cancellation_is_not_swallowed_when_the_event_is_set_at_the_same_moment(moments: int) -> None:
    event = asyncio.Event()

    async def loop() -> None:
        while True:
            async with soft_timeout(60):
                await event.wait()
                event.clear()

    looping = asyncio.create_task(loop())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(moments):
        await asyncio.sleep(0)
    looping.cancel()
    _, uncancelled = await asyncio.wait({looping}, timeout=1)
    looping.cancel()
    assert not uncancelled
