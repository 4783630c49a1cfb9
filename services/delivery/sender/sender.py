"""The sender: claims due mails within the shared rate, and has them sent.

Claiming, calling and writing outcomes go on at the same time, each in batches, so that no mail costs a round trip of
its own: while calls are in flight the next mails are claimed, and outcomes that arrive while others are being written
are written together afterwards. The concurrency limit bounds how many mails are claimed and not yet written.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Collection, Sequence, Set
from uuid import UUID

import msgspec
import structlog

from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.runtime.process.loops import DATABASE_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.runtime.timeouts import soft_timeout
from services.delivery.claiming import claims
from services.delivery.claiming.claims import ClaimLimits
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.scheduling import allowance, permit_pool
from services.delivery.scheduling.allowance import Allowances
from services.delivery.scheduling.fairness import TRANSACTIONAL, DueMails, Share, allot
from services.delivery.sender import metrics
from services.delivery.sender.backlog import Backlog
from services.delivery.sender.dispatcher import ACQUIRE_SECONDS, Dispatcher
from services.delivery.sender.job import Job, Permit, permits_of
from services.delivery.sender.mailer import Mailer
from services.delivery.sender.outcome_writer import OutcomeWriter
from services.delivery.sender.restore_guard import RestoreGuard

log = structlog.get_logger()

AHEAD_SECONDS = 0.25
"""How far claims may run ahead of calls, at the current rate: a permit that waits is of no use to anyone else."""

ROOM_SECONDS = 0.1
"""How long to wait for room if nothing is committed before."""

IDLE_SECONDS = 1.0
QUIET_SECONDS = 0.02
"""How long not to look again at a queue without due mails, unless mails are known to be in it: most commits queue
none."""

SECONDS_AFTER_ERROR = 1.0
WRITE_SECONDS = 5.0
YIELD_FACTOR, MAX_YIELD = 15.0, 2.0
"""Under backpressure, pause this many times as long as sending the claimed mails takes, up to a maximum of seconds:
commands that are not stored yet are less safe than queued mails. Those still go out at a sixteenth of the rate."""


class _Queue(msgspec.Struct, frozen=True):
    """What a look at the queue found: the mails that may be sent now, and the projects with limits of their own."""

    due: Sequence[DueMails]
    limited: Set[UUID]
    allowances: Allowances


class Sender:
    """The sender of one process. It runs until the service stops, and then finishes what it has claimed."""

    def __init__(
        self, runtime: Runtime, mailer: Mailer, cache: ContentCache, timing: Timing, guard: RestoreGuard
    ) -> None:
        self._runtime = runtime
        self._cache = cache
        self._timing = timing
        self._guard = guard
        self._region = runtime.settings.aws_region
        self._concurrency = runtime.settings.send_concurrency
        self._limits = ClaimLimits(timing.lease, runtime.settings.public_key_mails)
        self._writer = OutcomeWriter(runtime, timing)
        self._dispatcher = Dispatcher(runtime, mailer, self._writer)
        self._rate = 1.0
        self._stopping = False
        self._turns = itertools.count()
        self._backlog = Backlog()

    async def run(self) -> None:
        work = asyncio.create_task(self._work())
        stop = asyncio.create_task(self._stop_with_the_service())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop()
            await asyncio.wait({work}, timeout=self._timing.connect + self._timing.read + WRITE_SECONDS)
            work.cancel()
            raise
        finally:
            stop.cancel()
            self._dispatcher.close()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run())
            tasks.create_task(self._claim_all())

    async def _stop_with_the_service(self) -> None:
        await self._runtime.stopping.wait()
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        self._dispatcher.stop()
        self._runtime.committed.set()

    # --- mails from the queue ----------------------------------------------------------------------------------------

    async def _claim_all(self) -> None:
        while not self._stopping:
            try:
                pause = await self._claim_some()
            except DATABASE_ERRORS as error:
                log.warning("sender.cannot_claim", error=repr(error))
                self._backlog.grow()
                pause = SECONDS_AFTER_ERROR
            if pause and not self._stopping:
                await self._wait_for_commit(pause)
        self._writer.close()

    async def _claim_some(self) -> float:
        """Claim and start as many mails as room and rate allow. Return the seconds to wait before the next round."""
        self._runtime.committed.clear()
        known = self._backlog.known()
        if not self._guard.open.is_set():
            return IDLE_SECONDS / 4
        room = self._room()
        if room <= 0:
            return ROOM_SECONDS
        await self._pause_after_errors()
        async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            queue = await _look(conn, room)
            wanted = min(room, sum(each.count for each in queue.due))
            taken = await self._take(conn, wanted) if wanted else None
        if taken is None:
            return await self._stay_quiet(known, queue.allowances)
        grant, permits = taken
        if not permits:
            self._backlog.grow()
            await asyncio.sleep(min(grant.wait, IDLE_SECONDS))
            return 0.0
        shares = allot(queue.due, len(permits), grant.bulk, next(self._turns))
        if not _leaves_urgent(queue.due, shares, room):
            self._backlog.found(known)
        return await self._claim(shares, queue.limited, permits)

    async def _pause_after_errors(self) -> None:
        if self._dispatcher.limit.pause and not self._writer.open:
            async with soft_timeout(self._dispatcher.limit.pause):
                await self._runtime.stopping.wait()

    async def _stay_quiet(self, known: int, allowances: Allowances) -> float:
        """Wait a moment because nothing is due. Return how long to wait after that if nothing is committed."""
        self._backlog.found(known)
        async with soft_timeout(QUIET_SECONDS):
            await self._backlog.grew.wait()
        return min([IDLE_SECONDS, *(max(ROOM_SECONDS, allowed.wait) for allowed in allowances.values())])

    async def _take(self, conn: Connection, wanted: int) -> tuple[permit_pool.Grant, list[Permit]]:
        asked = time.monotonic()
        grant = await permit_pool.take(conn, self._region, wanted)
        self._rate, self._dispatcher.period = grant.rate, grant.period
        return grant, permits_of(grant, asked)

    def _room(self) -> int:
        """Return how many mails may be claimed now; none instead of a few, because a small claim costs as much."""
        space = self._space()
        return space if space >= min(self._dispatcher.limit.size, self._ahead()) / 4 else 0

    def _space(self) -> int:
        return min(self._dispatcher.limit.size - self._writer.open, self._ahead() - len(self._dispatcher.uncalled))

    def _ahead(self) -> int:
        """Return how many claimed mails may wait for their call."""
        return math.ceil(min(self._rate, self._concurrency / self._dispatcher.call_seconds) * AHEAD_SECONDS)

    async def _claim(self, shares: Sequence[Share], limited: Set[UUID], permits: Sequence[Permit]) -> float:
        async with self._runtime.unit() as unit:
            mails = await claims.claim(unit, shares, limited, self._limits, self._cache)
            jobs = await self._jobs(unit, mails, permits)
        for job in jobs:
            self._dispatcher.start(job)
        await self._runtime.wait_out_backpressure(self._yield_seconds(len(mails)))
        return 0.0 if mails else IDLE_SECONDS / 4

    async def _jobs(self, unit: UnitOfWork, mails: Sequence[Mail], permits: Sequence[Permit]) -> list[Job]:
        """Give each mail a permit, and return the permits that are left over to the pool."""
        unused = permits[len(mails) :]
        await permit_pool.release(unit.conn, self._region, [permit.returned() for permit in unused], len(unused))
        return [Job(mail, permit) for mail, permit in zip(mails, permits, strict=False)]

    def _yield_seconds(self, mails: int) -> float:
        """Return for how long commands go first after a claim of this many mails, while there is backpressure."""
        return min(MAX_YIELD, mails * self._dispatcher.call_seconds / self._concurrency * YIELD_FACTOR)

    async def _wait_for_commit(self, seconds: float) -> None:
        """Wait until this process commits something: new mails, or outcomes that make room.

        What other replicas commit is found when the time is over.
        """
        async with soft_timeout(seconds):
            await self._runtime.committed.wait()

    # --- mails that are claimed while they are being queued: see `intake.fast_path` ----------------------------------

    def admits(self, mails: int, maximum: int) -> bool:
        """Return whether this many transactional mails may be claimed past the queue.

        They may if there is capacity, and no urgent mail is queued that this process has not found. Then room is kept
        for them until `leave` is called.
        """
        admitted = (
            mails <= min(maximum, self._space())
            and not self._backlog
            and self._guard.open.is_set()
            and not (self._stopping or self._dispatcher.limit.pause or self._runtime.has_backpressure)
        )
        if admitted:
            self._writer.expect(mails)
        return admitted

    async def take(self, mails: int) -> list[Permit]:
        """Return permits for this many mails, or as many as there are."""
        try:
            async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
                _, permits = await self._take(conn, mails)
                return permits
        except DATABASE_ERRORS as error:
            log.warning("sender.cannot_take_permits", error=repr(error))
            return []

    async def claim_new(self, unit: UnitOfWork, queued: Collection[UUID], permits: Sequence[Permit]) -> list[Job]:
        """Claim mails that are being queued in this unit of work, one for each permit. The others stay queued."""
        ids = list(queued)[: len(permits)]
        mails = await claims.claim_new(unit, ids, self._limits, self._cache) if ids else []
        return await self._jobs(unit, mails, permits)

    def leave(self, mails: int, jobs: Sequence[Job], committed: bool) -> None:
        """End the transaction of this many admitted mails: send those that were claimed in it if it was committed.

        If the commit failed it may have happened all the same, so the claims are given back.
        """
        if len(jobs) < mails:
            self._backlog.grow()
        for job in jobs:
            if committed:
                self._dispatcher.start(job)
            else:
                self._dispatcher.give_back(job)
        self._writer.forget(mails)

    def look(self, _: bool) -> None:
        """Look at the queue, because a transaction that queued mails has ended."""
        self._backlog.grow()


async def _look(conn: Connection, room: int) -> _Queue:
    found = await claims.due_mails(conn, room)
    limited = {each.project for each in found if each.limited}
    allowances = await allowance.read(conn, limited)
    due = allowance.reduced(found, allowances)
    metrics.LIMITED.inc(len(found) - len(due))
    return _Queue(due, limited, allowances)


def _leaves_urgent(due: Sequence[DueMails], shares: Sequence[Share], counted: int) -> bool:
    """Return whether transactional mails may be left without a permit; more than `counted` were not counted."""
    urgent = sum(each.count for each in due if each.lane == TRANSACTIONAL)
    return urgent >= counted or urgent > sum(share.quota for share in shares if share.lane == TRANSACTIONAL)
