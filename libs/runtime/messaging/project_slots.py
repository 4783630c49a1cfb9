"""Slots that the projects share fairly, so that the work of one project cannot take all of a process.

A project that finds no free slot waits for a moment; then, or if too much of its work is waiting already, its work is
refused. Freed slots go to the waiting project that used the least time lately.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from libs.runtime import metrics
from libs.runtime.messaging.bus import RateLimited

MEMORY_SECONDS = 5.0
"""How long the time that a project used counts: after so many seconds a third of it is left."""

BUSY_SECONDS = 2.0
"""A project has used much if it used more than this lately: two fifths of a slot, all the time."""

ACTIVE_SECONDS = 5.0
"""A project counts as active for so long after its last work."""

FORGET_ABOVE = 1000
"""Number of remembered projects above which idle ones are forgotten."""


class Share:
    """What one project has and waits for. `used` are the seconds that it used lately, as of `used_at`."""

    __slots__ = ("running", "used", "used_at", "waiting")

    def __init__(self, now: float) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.used = 0.0
        self.used_at = now

    def used_until(self, now: float) -> float:
        return self.used * math.exp((self.used_at - now) / MEMORY_SECONDS)

    def use(self, seconds: float, now: float) -> None:
        self.used, self.used_at = self.used_until(now) + seconds, now

    @property
    def is_idle(self) -> bool:
        return not self.running and not self.waiting


class ProjectSlots:
    """The slots of a process for one kind of work, named in the refusal and in metrics.

    At most `per_project` slots belong to one project and `total` to all (None: without limit). A project that used much
    gets only `per_busy_project` while others are active. At most `max_waiting` pieces of a project's work wait, each
    for at most `max_wait` seconds.
    """

    def __init__(
        self,
        kind: str,
        *,
        per_project: int,
        max_waiting: int,
        max_wait: float,
        total: int | None = None,
        per_busy_project: int | None = None,
    ) -> None:
        self._kind = kind
        self._per_project = per_project
        self._per_busy_project = per_project if per_busy_project is None else per_busy_project
        self._free = math.inf if total is None else total
        self._max_waiting = max_waiting
        self._max_wait = max_wait
        self._shares: dict[UUID, Share] = {}
        self._queued: dict[UUID, Share] = {}
        """The shares with waiting work."""
        self._latest: tuple[UUID | None, float] = (None, -math.inf)
        self._other: tuple[UUID | None, float] = (None, -math.inf)

    @asynccontextmanager
    async def hold(self, project: UUID) -> AsyncIterator[None]:
        """Hold a slot of the project during the block. Raise RateLimited if it gets none in time."""
        share = self._share_of(project)
        if share.waiting or not self._may_run(project, share, time.monotonic()):
            await self._wait(project, share)
        else:
            self._start(share)
        started = time.monotonic()
        try:
            yield
        finally:
            self._end(share, started)

    def _share_of(self, project: UUID) -> Share:
        now = time.monotonic()
        if project != self._latest[0]:
            self._other = self._latest
        self._latest = project, now
        share = self._shares.get(project)
        if share is None:
            self._forget_idle()
            share = self._shares[project] = Share(now)
        return share

    def _may_run(self, project: UUID, share: Share, now: float) -> bool:
        if self._free < 1 or share.running >= self._per_project:
            return False
        is_throttled = share.used_until(now) > BUSY_SECONDS and self._others_are_active(project, now)
        return not is_throttled or share.running < self._per_busy_project

    def _others_are_active(self, project: UUID, now: float) -> bool:
        _, at = self._other if self._latest[0] == project else self._latest
        return now - at < ACTIVE_SECONDS

    def _start(self, share: Share) -> None:
        share.running += 1
        self._free -= 1

    def _end(self, share: Share, started: float) -> None:
        now = time.monotonic()
        share.running -= 1
        self._free += 1
        share.use(now - started, now)
        self._start_waiting(now)

    async def _wait(self, project: UUID, share: Share) -> None:
        if len(share.waiting) >= self._max_waiting:
            raise self._refusal()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        share.waiting.append(turn)
        self._queued[project] = share
        try:
            async with asyncio.timeout(self._max_wait):
                await turn
        except TimeoutError:
            self._give_up(share, turn)
            raise self._refusal() from None
        except asyncio.CancelledError:
            self._give_up(share, turn)
            raise

    def _give_up(self, share: Share, turn: "asyncio.Future[None]") -> None:
        """Leave the queue, or give back the slot that came at the moment at which the wait ended."""
        if turn.done() and not turn.cancelled():
            self._end(share, time.monotonic())
        elif turn in share.waiting:
            share.waiting.remove(turn)

    def _start_waiting(self, now: float) -> None:
        """Give free slots to waiting work, the project that used the least time first."""
        self._queued = {id: share for id, share in self._queued.items() if share.waiting}
        while ready := [
            (share.used_until(now), id) for id, share in self._queued.items() if self._may_run(id, share, now)
        ]:
            _, project = min(ready)
            share = self._queued[project]
            turn = share.waiting.popleft()
            if not turn.done():  # else its task was cancelled and has not run since
                self._start(share)
                turn.set_result(None)
            if not share.waiting:
                del self._queued[project]

    def _forget_idle(self) -> None:
        if len(self._shares) >= FORGET_ABOVE:
            self._shares = {id: share for id, share in self._shares.items() if not share.is_idle}

    def _refusal(self) -> RateLimited:
        metrics.RATE_LIMITED.labels(self._kind).inc()
        return RateLimited(f"The project has too many {self._kind} at once; try again later", math.ceil(self._max_wait))
