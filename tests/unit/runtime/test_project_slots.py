"""The slots that projects share: limits, fairness and refusals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from libs.runtime.messaging import project_slots
from libs.runtime.messaging.bus import RateLimited
from libs.runtime.messaging.project_slots import ProjectSlots

ONE, OTHER = UUID(int=1), UUID(int=2)


class Work:
    """Pieces of work that hold slots until they are told to end."""

    def __init__(self, slots: ProjectSlots) -> None:
        self._slots = slots
        self._ends: list[tuple[UUID, asyncio.Event]] = []

    def start(self, project: UUID) -> "asyncio.Task[None]":
        return asyncio.create_task(self._hold(project))

    async def running(self) -> list[UUID]:
        for _ in range(5):
            await asyncio.sleep(0)
        return [project for project, _ in self._ends]

    def end(self, project: UUID) -> None:
        found = next(each for each in self._ends if each[0] == project)
        self._ends.remove(found)
        found[1].set()

    async def _hold(self, project: UUID) -> None:
        async with self._slots.hold(project):
            end = asyncio.Event()
            self._ends.append((project, end))
            await end.wait()


@asynccontextmanager
async def working(slots: ProjectSlots) -> AsyncIterator[Work]:
    work = Work(slots)
    before = asyncio.all_tasks()
    yield work
    for task in asyncio.all_tasks() - before:
        task.cancel()


def slots(**changes: float) -> ProjectSlots:
    settings = {"per_project": 2, "total": 3, "max_waiting": 10, "max_wait": 60.0} | changes
    return ProjectSlots("queries", **settings)  # type: ignore[arg-type]


async def test_a_project_cannot_take_all_slots() -> None:
    async with working(slots()) as work:
        for _ in range(5):
            work.start(ONE)
        assert await work.running() == [ONE, ONE]
        work.start(OTHER)
        assert await work.running() == [ONE, ONE, OTHER]


async def test_a_freed_slot_goes_to_the_project_that_used_the_least() -> None:
    async with working(slots(per_project=1, total=1)) as work:
        work.start(ONE)
        await work.running()
        await asyncio.sleep(0.01)
        work.start(ONE)
        work.start(OTHER)
        await work.running()
        work.end(ONE)
        assert await work.running() == [OTHER]
        work.end(OTHER)
        assert await work.running() == [ONE]


async def test_a_busy_project_is_throttled_only_while_others_are_active(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_slots, "BUSY_SECONDS", 0.005)
    async with working(slots(per_busy_project=1)) as work:
        work.start(ONE)
        await work.running()
        await asyncio.sleep(0.02)
        work.end(ONE)
        work.start(ONE)
        work.start(ONE)
        assert await work.running() == [ONE, ONE], "alone it may use what a project may have"
        work.start(OTHER)
        assert await work.running() == [ONE, ONE, OTHER]
        work.end(ONE)
        work.start(ONE)
        assert await work.running() == [ONE, OTHER], "beside another project it has one slot"
        work.end(ONE)
        assert await work.running() == [OTHER, ONE], "but always that one"


async def test_work_that_waits_too_long_is_refused() -> None:
    async with working(slots(per_project=1, max_wait=0.01)) as work:
        work.start(ONE)
        await work.running()
        with pytest.raises(RateLimited, match="too many queries at once") as refused:
            await work.start(ONE)
        assert refused.value.retry_after == 1
        work.end(ONE)
        work.start(ONE)
        assert await work.running() == [ONE], "a refused piece leaves nothing behind"


async def test_work_is_refused_at_once_if_too_much_is_waiting() -> None:
    async with working(slots(per_project=1, max_waiting=1)) as work:
        first, waiting = work.start(ONE), work.start(ONE)
        await work.running()
        with pytest.raises(RateLimited):
            await work.start(ONE)
        work.start(OTHER)
        assert await work.running() == [ONE, OTHER], "other projects do not notice"
        assert not first.done()
        assert not waiting.done()


async def test_cancelled_work_leaves_the_queue() -> None:
    async with working(slots(per_project=1)) as work:
        work.start(ONE)
        waiting, next_one = work.start(ONE), work.start(ONE)
        await work.running()
        work.end(ONE)
        waiting.cancel()  # in the moment in which its turn comes
        assert await work.running() == [ONE]
        assert waiting.cancelled()
        assert not next_one.done()


async def test_many_idle_projects_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_slots, "FORGET_ABOVE", 3)
    several = slots()
    for _ in range(20):
        async with several.hold(uuid4()):
            pass
    assert len(several._shares) <= 4
