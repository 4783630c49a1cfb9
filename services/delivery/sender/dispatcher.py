"""Calls SES for claimed mails, each when its permit is valid, and passes the outcomes on to be written."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.runtime import crash
from libs.runtime.process.loops import DATABASE_ERRORS
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger.mail import Mail
from services.delivery.rendering import attachments
from services.delivery.rendering.mime import AttachedFile
from services.delivery.sender import metrics
from services.delivery.sender.concurrency_limit import wide_open
from services.delivery.sender.job import CallResult, Job
from services.delivery.sender.mailer import Mailer
from services.delivery.sender.outcome_writer import OutcomeWriter
from services.delivery.sender.sender_pool import SenderPool
from services.delivery.ses.outcome import GIVEN_BACK, MailRejected, NotTaken, Outcome, Unknown

log = structlog.get_logger()

CLAIMED_PER_CALL = 8
"""Mails claimed for each concurrent call: the others wait for a thread, or for their outcome to be written."""

FIRST_ESTIMATE = 0.01
"""Assumed duration of a call in seconds before the first one."""

SMOOTHING = 0.1
"""The weight of the latest call in the moving average of their duration."""

FILES_AT_ONCE = 2
"""Mails whose attachments are in memory at a time: each may take some forty megabytes until it is sent."""

ACQUIRE_SECONDS = 10.0

CRASHED = Unknown("a bug in the sender")


class Dispatcher:
    """Makes the calls of one sender.

    `limit` bounds the claimed mails, `uncalled` are those whose call has not begun, `call_seconds` is the average
    duration of a call, and `period` is how long a permit stays out after the response.
    """

    def __init__(self, runtime: Runtime, mailer: Mailer, writer: OutcomeWriter) -> None:
        concurrency = runtime.settings.send_concurrency
        self._runtime = runtime
        self._mailer = mailer
        self._writer = writer
        self._pool: SenderPool[Job, CallResult] = SenderPool(concurrency, self._deliver, self._finish)
        self._reading: set[asyncio.Future[None]] = set()
        self._file_slots = asyncio.Semaphore(FILES_AT_ONCE)
        self._stopping = False
        self.limit = wide_open(concurrency * CLAIMED_PER_CALL)
        self.uncalled: set[UUID] = set()
        self.call_seconds = FIRST_ESTIMATE
        self.period = 1.0

    def start(self, job: Job) -> None:
        """Make the call of a claimed mail once its permit is valid."""
        crash.point("after_claim_commit")
        self._writer.expect(1)
        self.uncalled.add(job.mail.id)
        wait = job.permit.start - time.monotonic()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._call, job)
        else:
            self._call(job)

    def give_back(self, job: Job) -> None:
        """Requeue a claimed mail without calling SES."""
        self._writer.expect(1)
        self._finish([(job, CallResult(GIVEN_BACK, time.monotonic()))])

    def stop(self) -> None:
        """Give back all mails whose call has not begun."""
        self._stopping = True

    def close(self) -> None:
        self._pool.close()

    def _call(self, job: Job) -> None:
        if not job.mail.extras.attachments:
            self._pool.submit(job)
            return
        self.uncalled.discard(job.mail.id)  # while it waits for its files it must not hold up other mails
        reading = asyncio.ensure_future(self._read_and_call(job))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _read_and_call(self, job: Job) -> None:
        await self._file_slots.acquire()
        read = await self._read(job.mail)
        if isinstance(read, Outcome):
            self._file_slots.release()
            self._finish([(job, CallResult(read, time.monotonic()))])
        else:
            self._pool.submit(replace(job, files=read))

    async def _read(self, mail: Mail) -> Sequence[AttachedFile] | Outcome:
        try:
            async with self._runtime.pool.acquire(timeout=ACQUIRE_SECONDS) as conn:
                return await attachments.read(conn, mail.project, mail.extras.attachments)
        except Rejected as gone:
            return MailRejected(gone.code, gone.message)
        except DATABASE_ERRORS as error:
            log.warning("sender.cannot_read_files", error=repr(error))
        except Exception:
            log.exception("sender.cannot_read_files", email=str(mail.id))
        return NotTaken("FILES_UNREADABLE")

    def _deliver(self, job: Job) -> CallResult:
        """Make the call. Runs in a thread of the pool."""
        # The loop's timers may fire a millisecond early, and SES would then get one mail too many in a second.
        if (early := job.permit.start - time.monotonic()) > 0:
            time.sleep(early)
        begun = time.monotonic()
        self.uncalled.discard(job.mail.id)
        late = begun > job.permit.latest and not job.files  # reading files takes time, but only few do so at once
        if self._stopping or late:
            return CallResult(GIVEN_BACK, begun)
        outcome = self._mailer.deliver(job.mail, job.files)
        ended = time.monotonic()
        self.call_seconds += (ended - begun - self.call_seconds) * SMOOTHING
        metrics.CALL.observe(ended - job.permit.start)
        return CallResult(outcome, ended)

    def _finish(self, results: Sequence[tuple[Job, CallResult | None]]) -> None:
        for job, result in results:
            outcome, ended = (result.outcome, result.at) if result else (CRASHED, time.monotonic())
            self.limit = self.limit.after(outcome)
            permit = job.permit if outcome == GIVEN_BACK else job.permit.used(ended + self.period)
            self._writer.write(job.mail, outcome, permit)
            if job.files:
                self._file_slots.release()
