"""Waiting, but not for ever."""

import asyncio

import pytest

from libs.runtime.timeouts import soft_timeout


async def test_what_does_not_happen_is_not_waited_for() -> None:
    async with soft_timeout(0.01):
        await asyncio.Event().wait()
        raise AssertionError("nobody set it")


async def test_what_happens_is_gone_on_with_at_once() -> None:
    happened = asyncio.Event()
    asyncio.get_running_loop().call_soon(happened.set)
    async with asyncio.timeout(1), soft_timeout(60):
        await happened.wait()
        return
    raise AssertionError("it was not waited for")


@pytest.mark.parametrize("moments", range(6))
async def test_a_loop_hears_that_it_is_cancelled_whatever_happens_in_that_moment(moments: int) -> None:
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
    _, deaf = await asyncio.wait({looping}, timeout=1)
    looping.cancel()
    assert not deaf
