"""Threads that do what they are handed, and bring it back to the loop."""

import asyncio
import threading
from collections.abc import Sequence

from services.delivery.sender.sender_pool import SenderPool

Done = tuple[int, int | None]


async def test_everything_that_was_handed_in_comes_back_once_on_the_loop() -> None:
    back: list[Done] = []
    places: set[int] = set()
    all_back = asyncio.Event()

    def finish(done: Sequence[Done]) -> None:
        back.extend(done)
        places.add(threading.get_ident())
        if len(back) == 500:
            all_back.set()

    pool: SenderPool[int, int] = SenderPool(4, lambda job: job * 2, finish)
    for job in range(500):
        pool.submit(job)
    await asyncio.wait_for(all_back.wait(), 10)
    pool.close()
    assert sorted(back) == [(job, job * 2) for job in range(500)]
    assert places == {threading.get_ident()}


async def test_work_that_raises_comes_back_without_a_result_and_the_next_is_done() -> None:
    back: list[Done] = []
    all_back = asyncio.Event()

    def finish(done: Sequence[Done]) -> None:
        back.extend(done)
        if len(back) == 2:
            all_back.set()

    pool: SenderPool[int, int] = SenderPool(1, lambda job: 12 // job, finish)
    pool.submit(0)
    pool.submit(4)
    await asyncio.wait_for(all_back.wait(), 10)
    pool.close()
    assert back == [(0, None), (4, 3)]


async def test_what_was_handed_in_is_done_though_the_crew_is_dismissed() -> None:
    back: list[Done] = []
    all_back = asyncio.Event()

    def finish(done: Sequence[Done]) -> None:
        back.extend(done)
        if len(back) == 20:
            all_back.set()

    pool: SenderPool[int, int] = SenderPool(1, lambda job: job, finish)
    for job in range(20):
        pool.submit(job)
    pool.close()
    await asyncio.wait_for(all_back.wait(), 10)
    assert [job for job, _ in back] == list(range(20))
