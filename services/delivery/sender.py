"""The sender: claims what is due, hands it to SES, and records what came of it.

The three go on at once, each in batches, so that no mail costs a round trip of its own: while calls are in flight the
next mails are claimed, and outcomes that came in while the last ones were written are written together. How many mails
are claimed and not yet recorded is bounded by the window.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Sequence, Set
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import msgspec
import structlog

from libs.runtime import crash
from libs.runtime.rejection import Rejected
from libs.runtime.service import Runtime
from libs.runtime.store import Connection
from services.delivery import allowance, bucket, claims, files, ledger, metrics
from services.delivery.crew import Crew
from services.delivery.email import settle
from services.delivery.fairness import Share, allot
from services.delivery.guard import Guard
from services.delivery.mail import Mail
from services.delivery.mime import File
from services.delivery.outcome import GIVEN_BACK, NotTaken, Outcome, Refused, Throttled, Unknown
from services.delivery.ses import Ses
from services.delivery.shelf import Shelf
from services.delivery.timing import Timing
from services.delivery.upkeep import BROKEN
from services.delivery.window import opened

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
BROKEN_SECONDS = 1.0
ACQUIRE_SECONDS = 10.0
RECORDING_SECONDS = 5.0
COURTESY, LONGEST_COURTESY = 7.0, 2.0
"""How many times as long as sending the mails of a claim takes the next one waits, and for how many seconds at most,
while a crowd of others is taken on: those are not safe yet, and these are. Even then they go out at an eighth of the
speed."""

GATHER_SECONDS = 0.03
"""How long outcomes are gathered before they are written: many to a transaction, and few that a crash makes unknown."""

NEWS = 0.1
"""How much the latest call counts in the mean of what they take."""

CRASHED = Unknown("a bug in the sender")


class Permit(msgspec.Struct, frozen=True):
    """Leave to call SES at `start`, on this process's monotonic clock; it comes back by itself at `held_until`."""

    start: float
    held_until: datetime

    def used(self, again: float) -> "Permit":
        """The permit after a call, good again from that moment on."""
        return Permit(again, self.held_until)

    def back(self) -> tuple[datetime, float]:
        """As the bucket takes it back."""
        return self.held_until, self.start - time.monotonic()


class Job(msgspec.Struct, frozen=True):
    """A mail to hand over to SES; its files are read when its permit is good."""

    mail: Mail
    permit: Permit
    attached: Sequence[File] = ()


class Answer(msgspec.Struct, frozen=True):
    """What a call ended in, and when, on this process's monotonic clock."""

    outcome: Outcome
    at: float


Done = tuple[Mail, Outcome, Permit]


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
        self._open = 0
        self._uncalled: set[UUID] = set()
        self._reading: set[asyncio.Future[None]] = set()
        self._room_for_files = asyncio.Semaphore(FILES_AT_ONCE)
        self._rate = 1.0
        self._period = 1.0
        self._call_seconds = QUICK_CALL
        self._done: list[Done] = []
        self._some_done = asyncio.Event()
        self._stopping = False
        self._claiming = True
        self._turns = itertools.count()

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
            tasks.create_task(self._record_all())
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
                pause = BROKEN_SECONDS
            if pause and not self._stopping:
                await self._rest(pause)
        self._claiming = False
        self._some_done.set()

    async def _claim_some(self) -> float:
        """Claim and start as many as there is room and rate for; answers how long to wait before the next time."""
        self._runtime.committed.clear()
        if not self._guard.open.is_set():
            return IDLE_SECONDS / 4
        room = self._room()
        if room <= 0:
            return ROOM_SECONDS
        if self._window.rest and not self._open:
            await self._wait(self._runtime.stopping, self._window.rest)
        async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
            found = await claims.waiting(conn, room)
            limited = {line.project for line in found if line.limited}
            limits = await allowance.read(conn, limited)
            waiting = allowance.reduced(found, limits)
            metrics.LIMITED.inc(len(found) - len(waiting))
            wanted = min(room, sum(line.count for line in waiting))
            if not wanted:
                return min([IDLE_SECONDS, *(max(ROOM_SECONDS, limit.wait) for limit in limits.values())])
            grant = await bucket.take(conn, self._region, wanted)
        permits = [Permit(time.monotonic() + start, grant.held_until) for start in grant.starts]
        self._rate, self._period = grant.rate, grant.period
        if not permits:
            await asyncio.sleep(min(grant.wait, IDLE_SECONDS))
            return 0.0
        return await self._claim(allot(waiting, len(permits), grant.bulk, next(self._turns)), limited, permits)

    def _room(self) -> int:
        """How many mails may be claimed now; none rather than a few, because a claim costs the same for many."""
        ahead = math.ceil(min(self._rate, self._concurrency / self._call_seconds) * AHEAD_SECONDS)
        room = min(self._window.size - self._open, ahead - len(self._uncalled))
        return room if room >= min(self._window.size, ahead) / 4 else 0

    async def _claim(self, shares: Sequence[Share], limited: Set[UUID], permits: Sequence[Permit]) -> float:
        async with self._runtime.unit() as unit:
            mails = await claims.claim(unit, shares, limited, self._timing.lease, self._shelf)
            unused = permits[len(mails) :]
            await bucket.release(unit.conn, self._region, [permit.back() for permit in unused], len(unused))
        for mail, permit in zip(mails, permits, strict=False):
            crash.point("after_claim_commit")
            self._start(mail, permit)
        await self._runtime.let_crowd_pass(self._courtesy(len(mails)))
        return 0.0 if mails else IDLE_SECONDS / 4

    def _courtesy(self, mails: int) -> float:
        """How long those who have to wait for an answer may go first, after a claim of so many mails."""
        return min(LONGEST_COURTESY, mails * self._call_seconds / self._concurrency * COURTESY)

    async def _rest(self, seconds: float) -> None:
        """Until something was committed here: new mails, or outcomes that make room. Other replicas' are polled for."""
        await self._wait(self._runtime.committed, seconds)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _start(self, mail: Mail, permit: Permit) -> None:
        """Have it called when its permit is good."""
        self._open += 1
        self._uncalled.add(mail.id)
        job = Job(mail, permit)
        wait = permit.start - time.monotonic()
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
                return await files.read(conn, mail.project, mail.extras.attachments)
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
        late = begun > job.permit.start + bucket.LATEST and not job.attached  # files take their time, a few at once
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
            self._done.append((job.mail, outcome, permit))
            if job.attached:
                self._room_for_files.release()
        self._some_done.set()

    # --- recording ---------------------------------------------------------------------------------------------------

    async def _record_all(self) -> None:
        while self._open or self._claiming:
            await self._some_done.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some_done.clear()
            done, self._done = self._done, []
            await self._record(done)
            self._open -= len(done)

    async def _record(self, done: Sequence[Done]) -> None:
        """Write what came of these mails, however long it takes: writing it twice changes nothing. Permits would count
        twice, so they are returned with the first attempt, whose commit may be all that was heard of; else they come
        back by themselves."""
        changes = [(mail, settle(mail, outcome, self._timing)) for mail, outcome, _ in done]
        permits = [permit for _, _, permit in done]
        unused = sum(outcome == GIVEN_BACK for _, outcome, _ in done)
        while True:
            try:
                async with self._runtime.unit() as unit:
                    await ledger.apply(unit, changes)
                    await self._heed(unit.conn, [outcome for _, outcome, _ in done])
                    await bucket.release(unit.conn, self._region, [permit.back() for permit in permits], unused)
                return
            except BROKEN as broken:
                log.warning("sender.cannot_record", mails=len(done), error=repr(broken))
                permits, unused = [], 0
                await asyncio.sleep(BROKEN_SECONDS)

    async def _heed(self, conn: Connection, outcomes: Sequence[Outcome]) -> None:
        """Slow down all replicas if SES said so."""
        throttled = [outcome for outcome in outcomes if isinstance(outcome, Throttled)]
        metrics.THROTTLED.inc(len(throttled))
        if any(outcome.daily for outcome in throttled):
            await bucket.stop_for_today(conn, self._region)
            log.warning("sender.daily_quota_used_up")
        elif throttled and (rate := await bucket.slow_down(conn, self._region)):
            log.warning("sender.throttled", rate=rate)
