"""The sender: claims what is due, hands it to SES, and has recorded what came of it.

The three go on at once, each in batches, so that no mail costs a round trip of its own: while calls are in flight the
next mails are claimed, and outcomes that came in while the last ones were written are written together. How many mails
are claimed and not yet recorded is bounded by the window.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Collection, Sequence, Set
from uuid import UUID

import msgspec
import structlog

from libs.kernel.rejection import Rejected
from libs.runtime import crash
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.runtime.process.runtime import Runtime
from libs.runtime.timeouts import soft_timeout
from services.delivery.claiming import claims
from services.delivery.ledger import metrics
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing
from services.delivery.rendering import attachments
from services.delivery.rendering.content_cache import Shelf
from services.delivery.rendering.mime import File
from services.delivery.scheduling import allowance, permit_pool
from services.delivery.scheduling.fairness import (
    TRANSACTIONAL,
    Share,
    Waiting,
    allot,
)
from services.delivery.sender.backlog import Backlog
from services.delivery.sender.concurrency_limit import opened
from services.delivery.sender.job import (
    Answer,
    Job,
    Permit,
    permits_of,
)
from services.delivery.sender.maintenance import BROKEN
from services.delivery.sender.outcome_writer import Recorder
from services.delivery.sender.restore_guard import Guard
from services.delivery.sender.sender_pool import Crew
from services.delivery.ses.client import Ses
from services.delivery.ses.outcome import (
    GIVEN_BACK,
    NotTaken,
    Outcome,
    Refused,
    Unknown,
)

log = structlog.get_logger()

CLAIMED_PER_CALL = 8
"""Mails claimed for each call that may be in flight: the others wait for a thread, or to be recorded."""

AHEAD_SECONDS = 0.25
"""How far claims may run ahead of calls, in what the rate and the threads allow: a permit that waits is not used."""

ROOM_SECONDS = 0.1
"""How long to wait for room, if nothing is committed before."""

QUICK_CALL = 0.01
"""Seconds that a call takes, as long as none was made."""

FILES_AT_ONCE = 2
"""Mails whose attachments are in memory: each may take some forty megabytes until it is sent."""

IDLE_SECONDS = 1.0
QUIET_SECONDS = 0.02
"""How long not to look again at a queue in which nothing was due, unless mails are known to be in it: most of what is
committed is none."""

BROKEN_SECONDS = 1.0
ACQUIRE_SECONDS = 10.0
RECORDING_SECONDS = 5.0
COURTESY, LONGEST_COURTESY = 15.0, 2.0
"""How many times as long as sending the mails of a claim takes the next one waits, and for how many seconds at most,
while a crowd of others is taken on: those are not safe yet, and these are. Even then they go out at a sixteenth of the
speed."""

NEWS = 0.1
"""How much the latest call counts in the mean of what they take."""

CRASHED = Unknown("a bug in the sender")


class Sender:
    """One process's sender. Runs until the service stops, then finishes what it has claimed."""

    def __init__(self, runtime: Runtime, ses: Ses, shelf: Shelf, timing: Timing, guard: Guard) -> None:
        config = runtime.settings
        self._runtime = runtime
        self._ses = ses
        self._shelf = shelf
        self._timing = timing
        self._guard = guard
        self._region = config.aws_region
        self._concurrency = config.send_concurrency
        self._crew: Crew[Job, Answer] = Crew(config.send_concurrency, self._deliver, self._finish)
        self._window = opened(config.send_concurrency * CLAIMED_PER_CALL)
        self._recorder = Recorder(runtime, timing)
        self._uncalled: set[UUID] = set()
        self._reading: set[asyncio.Future[None]] = set()
        self._room_for_files = asyncio.Semaphore(FILES_AT_ONCE)
        self._rate = 1.0
        self._period = 1.0
        self._call_seconds = QUICK_CALL
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
            await asyncio.wait({work}, timeout=self._timing.connect + self._timing.read + RECORDING_SECONDS)
            work.cancel()
            raise
        finally:
            stop.cancel()
            self._crew.dismiss()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._claim_all())

    async def _stop_with_the_service(self) -> None:
        await self._runtime.stopping.wait()
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        self._runtime.committed.set()

    # --- claiming ----------------------------------------------------------------------------------------------------

    async def _claim_all(self) -> None:
        while not self._stopping:
            try:
                pause = await self._claim_some()
            except BROKEN as broken:
                log.warning("sender.cannot_claim", error=repr(broken))
                self._backlog.grow()
                pause = BROKEN_SECONDS
            if pause and not self._stopping:
                await self._rest(pause)
        self._recorder.close()

    async def _claim_some(self) -> float:
        """Claim and start as many as there is room and rate for; answers how long to wait before the next time."""
        self._runtime.committed.clear()
        known = self._backlog.known()
        if not self._guard.open.is_set():
            return IDLE_SECONDS / 4
        room = self._room()
        if room <= 0:
            return ROOM_SECONDS
        if self._window.rest and not self._recorder.open:
            async with soft_timeout(self._window.rest):
                await self._runtime.stopping.wait()
        async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            found = await claims.waiting(conn, room)
            limited = {line.project for line in found if line.limited}
            limits = await allowance.read(conn, limited)
            waiting = allowance.reduced(found, limits)
            metrics.LIMITED.inc(len(found) - len(waiting))
            wanted = min(room, sum(line.count for line in waiting))
            taken = await self._take(conn, wanted) if wanted else None
        if taken is None:
            self._backlog.found(known)
            async with soft_timeout(QUIET_SECONDS):
                await self._backlog.grew.wait()
            return min([IDLE_SECONDS, *(max(ROOM_SECONDS, limit.wait) for limit in limits.values())])
        grant, permits = taken
        if not permits:
            self._backlog.grow()
            await asyncio.sleep(min(grant.wait, IDLE_SECONDS))
            return 0.0
        shares = allot(waiting, len(permits), grant.bulk, next(self._turns))
        if not _leaves_urgent(waiting, shares, room):
            self._backlog.found(known)
        return await self._claim(shares, limited, permits)

    async def _take(self, conn: Connection, wanted: int) -> tuple[permit_pool.Grant, list[Permit]]:
        asked = time.monotonic()
        grant = await permit_pool.take(conn, self._region, wanted)
        self._rate, self._period = grant.rate, grant.period
        return grant, permits_of(grant, asked)

    def _room(self) -> int:
        """How many mails may be claimed now; none rather than a few, because a claim costs the same for many."""
        space = self._space()
        return space if space >= min(self._window.size, self._ahead()) / 4 else 0

    def _space(self) -> int:
        return min(self._window.size - self._recorder.open, self._ahead() - len(self._uncalled))

    def _ahead(self) -> int:
        return math.ceil(min(self._rate, self._concurrency / self._call_seconds) * AHEAD_SECONDS)

    async def _claim(self, shares: Sequence[Share], limited: Set[UUID], permits: Sequence[Permit]) -> float:
        async with self._runtime.unit() as unit:
            mails = await claims.claim(unit, shares, limited, self._timing.lease, self._shelf)
            jobs = await self._jobs(unit, mails, permits)
        for job in jobs:
            self._start(job)
        await self._runtime.wait_out_backpressure(self._courtesy(len(mails)))
        return 0.0 if mails else IDLE_SECONDS / 4

    async def _jobs(self, unit: UnitOfWork, mails: Sequence[Mail], permits: Sequence[Permit]) -> list[Job]:
        """Each mail with a permit; those that are left over are returned."""
        unused = permits[len(mails) :]
        await permit_pool.release(unit.conn, self._region, [permit.back() for permit in unused], len(unused))
        return [Job(mail, permit) for mail, permit in zip(mails, permits, strict=False)]

    def _courtesy(self, mails: int) -> float:
        """How long those who have to wait for an answer may go first, after a claim of so many mails."""
        return min(LONGEST_COURTESY, mails * self._call_seconds / self._concurrency * COURTESY)

    async def _rest(self, seconds: float) -> None:
        """Until something was committed here: new mails, or outcomes that make room. Other replicas' are polled for."""
        async with soft_timeout(seconds):
            await self._runtime.committed.wait()

    # --- mail that is claimed as it is queued: see `express` ---------------------------------------------------------

    def admits(self, mails: int, most: int) -> bool:
        """Whether so many transactional mails may be claimed past the queue, and then there is room for them until they
        `leave`: there is time for them now, and none waits that this process has not found."""
        admitted = (
            mails <= min(most, self._space())
            and not self._backlog
            and self._guard.open.is_set()
            and not (self._stopping or self._window.rest or self._runtime.has_backpressure)
        )
        if admitted:
            self._recorder.expect(mails)
        return admitted

    async def take(self, mails: int) -> list[Permit]:
        """Permits for these, as far as there are any."""
        try:
            async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
                _, permits = await self._take(conn, mails)
                return permits
        except BROKEN as broken:
            log.warning("sender.cannot_take", error=repr(broken))
            return []

    async def claim_new(self, unit: UnitOfWork, queued: Collection[UUID], permits: Sequence[Permit]) -> list[Job]:
        """Claim mails that are queued in this unit, one for each permit; what is left waits in the queue."""
        ids = list(queued)[: len(permits)]
        mails = await claims.claim_new(unit, ids, self._timing.lease, self._shelf) if ids else []
        return await self._jobs(unit, mails, permits)

    def leave(self, mails: int, jobs: Sequence[Job], committed: bool) -> None:
        """The transaction of so many that were admitted is over: send those that were claimed in it, if it is known
        to be committed; else see that they are queued, if they are anything."""
        if len(jobs) < mails:
            self._backlog.grow()
        for job in jobs:
            if committed:
                self._start(job)
            else:
                self._recorder.expect(1)
                self._finish([(job, Answer(GIVEN_BACK, time.monotonic()))])
        self._recorder.forget(mails)

    def look(self, _: bool) -> None:
        """A transaction is over that queued mails: they are to be looked for."""
        self._backlog.grow()

    # --- sending -----------------------------------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        """Have it called when its permit is good."""
        crash.point("after_claim_commit")
        self._recorder.expect(1)
        self._uncalled.add(job.mail.id)
        wait = job.permit.start - time.monotonic()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._call, job)
        else:
            self._call(job)

    def _call(self, job: Job) -> None:
        if not job.mail.extras.attachments:
            self._crew.hand_in(job)
            return
        self._uncalled.discard(job.mail.id)  # those that wait for their files hold up nobody
        reading = asyncio.ensure_future(self._read_and_call(job))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _read_and_call(self, job: Job) -> None:
        await self._room_for_files.acquire()
        read = await self._read(job.mail)
        if isinstance(read, Outcome):
            self._room_for_files.release()
            self._finish([(job, Answer(read, time.monotonic()))])
        else:
            self._crew.hand_in(msgspec.structs.replace(job, attached=read))

    async def _read(self, mail: Mail) -> Sequence[File] | Outcome:
        try:
            async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
                return await attachments.read(conn, mail.project, mail.extras.attachments)
        except Rejected as gone:
            return Refused(gone.code, gone.message)
        except BROKEN as broken:
            log.warning("sender.cannot_read_files", error=repr(broken))
        except Exception:
            log.exception("sender.cannot_read_files", email=str(mail.id))
        return NotTaken("FILES_UNREADABLE")

    def _deliver(self, job: Job) -> Answer:
        """In a thread. Timers of the loop may end a millisecond too early: SES would take one mail too many."""
        if (early := job.permit.start - time.monotonic()) > 0:
            time.sleep(early)
        begun = time.monotonic()
        self._uncalled.discard(job.mail.id)
        late = begun > job.permit.latest and not job.attached  # files take their time, a few at once
        if self._stopping or late:
            return Answer(GIVEN_BACK, begun)
        outcome = self._ses.deliver(job.mail, job.attached)
        answered = time.monotonic()
        self._call_seconds += (answered - begun - self._call_seconds) * NEWS
        metrics.CALL.observe(answered - job.permit.start)
        return Answer(outcome, answered)

    def _finish(self, answers: Sequence[tuple[Job, Answer | None]]) -> None:
        for job, answer in answers:
            outcome, at = (answer.outcome, answer.at) if answer else (CRASHED, time.monotonic())
            self._window = self._window.after(outcome)
            permit = job.permit if outcome == GIVEN_BACK else job.permit.used(at + self._period)
            self._recorder.record(job.mail, outcome, permit)
            if job.attached:
                self._room_for_files.release()


def _leaves_urgent(waiting: Sequence[Waiting], shares: Sequence[Share], counted: int) -> bool:
    """Whether transactional mails wait that got no permit; more than `counted` were not counted."""
    urgent = sum(line.count for line in waiting if line.lane == TRANSACTIONAL)
    return urgent >= counted or urgent > sum(share.quota for share in shares if share.lane == TRANSACTIONAL)
