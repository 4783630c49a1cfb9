"""Work that cannot be proved cheap runs where it can be killed, and takes nothing else down."""

import asyncio
import os
import time

import pytest

from libs.runtime.process.testing import eventually
from libs.runtime.process.worker_pool import Limits, PoolBusy, PoolClosed, WorkerLost, WorkerPool, WorkKilled

BRIEF = Limits(seconds=0.3, memory=64 * 1024 * 1024)


def process_id() -> int:
    return os.getpid()


def refuse() -> None:
    raise ValueError("no")


def spin() -> None:
    """In C, where no thread of Python's can interrupt it."""
    10 ** (10**9)


def devour() -> int:
    return len(bytearray(10**9))


async def _is_busy(pool: WorkerPool) -> bool:
    return pool.busy > 0


async def test_work_runs_in_another_process_which_is_kept_for_the_next() -> None:
    pool = WorkerPool(1)
    first, second = await asyncio.to_thread(pool.call, process_id), await asyncio.to_thread(pool.call, process_id)
    assert first == second != os.getpid()


async def test_what_the_work_raises_is_raised_to_the_caller() -> None:
    with pytest.raises(ValueError, match="no"):
        await asyncio.to_thread(WorkerPool(1).call, refuse)


@pytest.mark.parametrize("work", [spin, devour])
async def test_work_that_exceeds_its_limits_is_killed_and_the_next_goes_on(work: object) -> None:
    assert callable(work)
    pool = WorkerPool(1)
    with pytest.raises(WorkKilled):
        await asyncio.to_thread(pool.call, work, limits=BRIEF)
    assert await asyncio.to_thread(pool.call, process_id) != os.getpid()


async def test_closing_the_pool_ends_what_runs_and_says_nothing_about_the_work() -> None:
    pool = WorkerPool(1)
    await asyncio.to_thread(pool.call, process_id)
    sleeping = asyncio.create_task(asyncio.to_thread(pool.call, time.sleep, 60, limits=Limits(seconds=60)))
    await eventually(lambda: _is_busy(pool))
    pool.close()
    with pytest.raises(PoolClosed):
        await sleeping


async def test_no_more_processes_run_at_once_than_the_pool_has() -> None:
    pool = WorkerPool(2)
    assert len(set(await asyncio.gather(*(asyncio.to_thread(pool.call, process_id) for _ in range(8))))) <= 2


class Unpicklable(Exception):
    def __reduce__(self) -> str:
        raise TypeError("not to be pickled")


def fail_strangely() -> None:
    raise Unpicklable


async def test_what_cannot_be_sent_back_is_an_error_of_the_work_and_not_its_death() -> None:
    with pytest.raises(RuntimeError, match="fail_strangely"):
        await asyncio.to_thread(WorkerPool(1).call, fail_strangely)


async def test_work_does_not_wait_for_ever_for_a_busy_pool() -> None:
    pool = WorkerPool(1)
    sleeping = asyncio.create_task(asyncio.to_thread(pool.call, time.sleep, 5, limits=Limits(seconds=10)))
    await eventually(lambda: _is_busy(pool))
    with pytest.raises(PoolBusy):
        pool.call(process_id, wait=0.1)
    pool.close()
    with pytest.raises(PoolClosed):
        await sleeping


def test_a_worker_that_does_not_start_is_no_verdict_on_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.runtime.process.worker.__name__", "libs.runtime.process.no_such_module")
    with pytest.raises(WorkerLost):
        WorkerPool(1).call(process_id)
