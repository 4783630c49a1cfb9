"""Threads that do what they are handed, and bring it back to the loop."""

import asyncio
import threading
from collections.abc import Sequence

from services.delivery.sender.sender_pool import Crew

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

    crew: Crew[int, int] = Crew(4, lambda job: job * 2, finish)
    for job in range(500):
        crew.hand_in(job)
    await asyncio.wait_for(all_back.wait(), 10)
    crew.dismiss()
    assert sorted(back) == [(job, job * 2) for job in range(500)]
    assert places == {threading.get_ident()}


async def test_work_that_raises_comes_back_without_a_result_and_the_next_is_done() -> None:
    back: list[Done] = []
    all_back = asyncio.Event()

    def finish(done: Sequence[Done]) -> None:
        back.extend(done)
        if len(back) == 2:
            all_back.set()

    crew: Crew[int, int] = Crew(1, lambda job: 12 // job, finish)
    crew.hand_in(0)
    crew.hand_in(4)
    await asyncio.wait_for(all_back.wait(), 10)
    crew.dismiss()
    assert back == [(0, None), (4, 3)]


async def test_what_was_handed_in_is_done_though_the_crew_is_dismissed() -> None:
    back: list[Done] = []
    all_back = asyncio.Event()

    def finish(done: Sequence[Done]) -> None:
        back.extend(done)
        if len(back) == 20:
            all_back.set()

    crew: Crew[int, int] = Crew(1, lambda job: job, finish)
    for job in range(20):
        crew.hand_in(job)
    crew.dismiss()
    await asyncio.wait_for(all_back.wait(), 10)
    assert [job for job, _ in back] == list(range(20))
