"""The thread pool that calls SES."""

import asyncio
import threading
from collections.abc import Sequence

from services.delivery.sender.sender_pool import SenderPool

Done = tuple[int, int | None]


async def test_every_job_is_finished_once_on_the_event_loop() -> None:
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


async def test_a_job_that_raises_has_no_result_and_does_not_stop_the_next() -> None:
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


async def test_submitted_jobs_are_finished_after_the_pool_is_closed() -> None:
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
