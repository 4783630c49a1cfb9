"""Working on jobs: one page after another, each in a transaction of its own, in turns with other jobs.

Any number of processes may work: whoever locks a job's row does its next page, and the job's stream lets no page be
done twice. Jobs wait while the relay is behind, so that the events of whoever waits for one do not queue behind those
of a large file.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog

from libs.runtime import crash
from libs.runtime.eventstore.envelope import Cause, Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.messaging.group_commit import CONFLICT_ERRORS, CONNECTION_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.schemas.contacts.jobs import JobEnded, JobKind
from services.contacts.jobs import failures, import_file
from services.contacts.jobs.bulk import bulk_page
from services.contacts.jobs.event_deletion import erase_page
from services.contacts.jobs.field_deletion import strip_page
from services.contacts.jobs.import_page import import_page
from services.contacts.jobs.job import Job
from services.contacts.jobs.page_size import Pace
from services.contacts.jobs.read_models import contact_job as jobs

log = structlog.get_logger()

GIVE_WAY_SECONDS = 0.05
"""How long a page waits for the commands at hand. They come first, but they do not stop a job."""

IDLE_SECONDS = 0.25
BROKEN_SECONDS = 1.0
TIDY_SECONDS = 60.0

MAX_LAG = 1.5
LAG_SECONDS = 0.05
LAG = """
select extract(epoch from clock_timestamp() - recorded_at)::float
from events where position = (select min(position) from outbox)
"""
"""How long ago the oldest event was recorded that is not on the bus yet."""

ATTEMPTS = 5
FAILED = "The job failed for a reason of our own; the log of the service has it"

DoPage = Callable[[UnitOfWork, Job, Cause, int], Awaitable[None]]
PAGES: Mapping[JobKind, DoPage] = {
    "import": import_page,
    "bulk": bulk_page,
    "event-deletion": erase_page,
    "field-deletion": strip_page,
}


async def work(runtime: Runtime) -> None:
    """Work on jobs until cancelled."""
    await Worker(runtime).run()


async def tidy(runtime: Runtime) -> None:
    """Forget files and errors that nobody needs any more."""
    while True:
        try:
            async with runtime.pool.acquire() as conn:
                await import_file.forget_old(conn)
                await failures.forget_old(conn)
        except CONNECTION_ERRORS as broken:
            log.warning("jobs.not_tidied", error=repr(broken))
        await asyncio.sleep(TIDY_SECONDS)


class Worker:
    """One process's part in the jobs. `_trouble` counts how often in a row the page of a job has failed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pace = Pace()
        self._commands = 0
        self._trouble: dict[UUID, int] = {}

    async def run(self) -> None:
        while True:
            try:
                if await self._relay_is_behind():
                    await asyncio.sleep(LAG_SECONDS)
                elif not await self._paced_page():
                    self._pace = Pace()
                    await asyncio.sleep(IDLE_SECONDS)
            except (*CONNECTION_ERRORS, *CONFLICT_ERRORS) as broken:
                log.warning("jobs.interrupted", error=repr(broken))
                await asyncio.sleep(BROKEN_SECONDS)

    async def _relay_is_behind(self) -> bool:
        lag: float | None = await self._runtime.pool.fetchval(LAG, timeout=10)
        return lag is not None and lag > MAX_LAG

    async def _paced_page(self) -> bool:
        """Do a page when the commands at hand are done, and learn from it how long the next may be."""
        started = time.monotonic()
        worked = await self._page()
        seconds = time.monotonic() - started
        commands = await self._runtime.yield_to_commands(GIVE_WAY_SECONDS)
        self._pace.took(seconds, others=commands > self._commands)
        self._commands = commands
        return worked

    async def _page(self) -> bool:
        """Do the page of a job, if there is any."""
        row = None
        try:
            async with self._runtime.unit() as unit:
                row = await jobs.claim(unit.conn)
                if row:
                    await self._do(unit, row)
        except CONNECTION_ERRORS:
            raise
        except Exception as error:
            if row is None:
                raise
            await self._failed(row, error)
            return True
        crash.point("after_job_page")
        if row:
            self._trouble.pop(row.job.id, None)
        return row is not None

    async def _do(self, unit: UnitOfWork, row: jobs.Row) -> None:
        job = row.job
        unit.expect(job.stream, job.version)
        # what other writers change at the same moment is met less often by a smaller page
        most = max(1, self._pace.rows >> 2 * self._trouble.get(job.id, 0))
        await PAGES[job.kind](unit, job, _cause(row), most)
        await unit.flush()
        crash.point("before_job_commit")

    async def _failed(self, row: jobs.Row, error: Exception) -> None:
        """Another was first with one of the page's contacts: again. Whatever else it is: again, but not for ever."""
        job = row.job
        times = self._trouble[job.id] = self._trouble.get(job.id, 0) + 1
        if isinstance(error, CONFLICT_ERRORS):
            self._trouble[job.id] = times % ATTEMPTS
            return
        log.error("jobs.page_failed", job=str(job.id), times=times, error=repr(error), exc_info=error)
        if times >= ATTEMPTS:
            await self._give_up(row)
        await asyncio.sleep(BROKEN_SECONDS)

    async def _give_up(self, row: jobs.Row) -> None:
        async with self._runtime.unit() as unit:
            unit.expect(row.job.stream, row.job.version)
            unit.append([JobEnded(job_id=row.job.id, state="failed", reason=FAILED)], _cause(row))
        del self._trouble[row.job.id]


def _cause(row: jobs.Row) -> Cause:
    return Origin(project=row.job.project, meta=row.meta)
