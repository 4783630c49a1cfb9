"""Works on jobs: page by page, each in its own transaction, taking turns between jobs.

Any number of processes may work. Whoever locks a job's row does its next page, and the version of the job's stream
prevents that a page is done twice. Jobs pause while the relay is behind, so the events of commands do not queue behind
those of a large file.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import structlog
from cachetools import LRUCache

from libs.runtime import crash
from libs.runtime.eventstore.envelope import Cause, Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.messaging.group_commit import CONFLICT_ERRORS, CONNECTION_ERRORS
from libs.runtime.messaging.suspects import ProcessDied
from libs.runtime.process.runtime import Runtime
from libs.schemas.contacts.jobs import JobEnded, JobKind
from services.contacts.jobs import failures, import_file
from services.contacts.jobs.bulk import run_bulk_page
from services.contacts.jobs.event_deletion import run_event_deletion_page
from services.contacts.jobs.field_deletion import run_field_deletion_page
from services.contacts.jobs.importing import run_import_page
from services.contacts.jobs.job import Job
from services.contacts.jobs.page_size import AdaptivePageSize
from services.contacts.jobs.read_models import contact_job
from services.contacts.jobs.read_models.contact_job import JobRow

log = structlog.get_logger()

YIELD_SECONDS = 0.05
"""How long a page waits for pending commands. They come first, but they do not stop a job."""

IDLE_SECONDS = 0.25
RETRY_SECONDS = 1.0
TIDY_SECONDS = 60.0

MAX_LAG = 1.5
LAG_SECONDS = 0.05
LAG = """
select extract(epoch from clock_timestamp() - recorded_at)::float
from events where position = (select min(position) from outbox)
"""
"""The age of the oldest event that is not yet published."""

MAX_ATTEMPTS = 5
JOBS = "contacts-jobs"
MAX_REMEMBERED = 1000
"""Jobs that a process remembers to have begun. One that it forgets is noted once more."""
FAILED = "The job failed because of an internal error; see the service's log"

RunPage = Callable[[UnitOfWork, Job, Cause, int], Awaitable[None]]
PAGES: Mapping[JobKind, RunPage] = {
    "import": run_import_page,
    "bulk": run_bulk_page,
    "event-deletion": run_event_deletion_page,
    "field-deletion": run_field_deletion_page,
}


async def work(runtime: Runtime) -> None:
    """Work on jobs until cancelled."""
    await JobWorker(runtime).run()


async def tidy(runtime: Runtime) -> None:
    """Delete abandoned files and old failures until cancelled."""
    while True:
        try:
            async with runtime.pool.acquire() as conn:
                await import_file.delete_old(conn)
                await failures.delete_old(conn)
        except CONNECTION_ERRORS as error:
            log.warning("jobs.tidy_failed", error=repr(error))
        await asyncio.sleep(TIDY_SECONDS)


class JobWorker:
    """One process's part of the work.

    `_failed_attempts` counts consecutive failures of a job's page; `_begun` are the jobs of which this process has done
    a page.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._page_size = AdaptivePageSize()
        self._commands = 0
        self._failed_attempts: dict[UUID, int] = {}
        self._begun: LRUCache[UUID, bool] = LRUCache(MAX_REMEMBERED)

    async def run(self) -> None:
        while True:
            try:
                if await self._relay_is_behind():
                    await asyncio.sleep(LAG_SECONDS)
                elif not await self._run_timed_page():
                    self._page_size = AdaptivePageSize()
                    await asyncio.sleep(IDLE_SECONDS)
            except (*CONNECTION_ERRORS, *CONFLICT_ERRORS) as error:
                log.warning("jobs.interrupted", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _relay_is_behind(self) -> bool:
        lag: float | None = await self._runtime.pool.fetchval(LAG, timeout=10)
        return lag is not None and lag > MAX_LAG

    async def _run_timed_page(self) -> bool:
        """Do a page, let pending commands go first, and adapt the size of the next page."""
        started = time.monotonic()
        has_worked = await self._run_page()
        seconds = time.monotonic() - started
        commands = await self._runtime.yield_to_commands(YIELD_SECONDS)
        self._page_size.record(seconds, busy=commands > self._commands)
        self._commands = commands
        return has_worked

    async def _run_page(self) -> bool:
        """Do the page of a job. Return whether there was one."""
        row = None
        try:
            async with self._runtime.unit() as unit:
                row = await contact_job.claim(unit.conn)
                if row:
                    await self._run_page_of(unit, row)
        except ProcessDied as died:
            assert row
            await self._fail(row, str(died))
            await self._runtime.suspects.forget(JOBS, row.job.id)
            return True
        except CONNECTION_ERRORS:
            raise
        except Exception as error:
            if row is None:
                raise
            await self._handle_failure(row, error)
            return True
        crash.point("after_job_page")
        if row:
            self._failed_attempts.pop(row.job.id, None)
            self._begun[row.job.id] = True
        return row is not None

    async def _run_page_of(self, unit: UnitOfWork, row: JobRow) -> None:
        job = row.job
        unit.expect(job.stream, job.version)
        # a smaller page conflicts less often with writers of the same contacts
        limit = max(1, self._page_size.rows >> 2 * self._failed_attempts.get(job.id, 0))
        async with self._noted(job):
            await PAGES[job.kind](unit, job, _cause(row), limit)
            await unit.flush()
        crash.point("before_job_commit")

    @asynccontextmanager
    async def _noted(self, job: Job) -> AsyncIterator[None]:
        """Note the first page of a job that this process does: the one before may have died with the same."""
        if job.id in self._begun:
            yield
        else:
            async with self._runtime.suspects.alone(JOBS, job.id):
                yield

    async def _handle_failure(self, row: JobRow, error: Exception) -> None:
        """Retry the page: without limit after conflicts with other writers of its contacts, else a few times."""
        job = row.job
        attempts = self._failed_attempts[job.id] = self._failed_attempts.get(job.id, 0) + 1
        if isinstance(error, CONFLICT_ERRORS):
            self._failed_attempts[job.id] = attempts % MAX_ATTEMPTS
            return
        log.error("jobs.page_failed", job=str(job.id), attempts=attempts, error=repr(error), exc_info=error)
        if attempts >= MAX_ATTEMPTS:
            await self._fail(row, FAILED)
        await asyncio.sleep(RETRY_SECONDS)

    async def _fail(self, row: JobRow, reason: str) -> None:
        async with self._runtime.unit() as unit:
            unit.expect(row.job.stream, row.job.version)
            unit.append([JobEnded(job_id=row.job.id, state="failed", reason=reason)], _cause(row))
        self._failed_attempts.pop(row.job.id, None)


def _cause(row: JobRow) -> Cause:
    return Origin(project=row.job.project, meta=row.meta)
