"""The loop that keeps memberships up to date, visiting the projects that have something to check."""

import asyncio
from uuid import UUID

import structlog

from libs.runtime.messaging.group_commit import CONFLICT_ERRORS, CONNECTION_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.runtime.timeouts import soft_timeout
from services.contacts.segments import membership

log = structlog.get_logger()

GATHER_SECONDS = 0.1
MAX_SLEEP_SECONDS = 1.0
BACK_OFF_SECONDS = 1.0

# The projects of the queue are found by leaps over the index, not row by row. `due_at` is compared with the time of the
# statement: with a time that may change meanwhile the planner cannot use the index.
PROJECTS = """
with recursive queued as (
    (select project from segment_change order by project limit 1)
    union all
    select (select project from segment_change where segment_change.project > queued.project order by project limit 1)
    from queued where queued.project is not null
)
select project from queued where project is not null
union
select project from (
    select project from segment_due where due_at <= statement_timestamp() order by due_at limit 5000
) as due
union
select state.project from segment_state as state
left join segment on segment.project = state.project and segment.id = state.segment_id
where state.scan_from is not null or segment.id is null
union
select segment.project from segment
left join segment_state as state on state.project = segment.project and state.segment_id = segment.id
where state.segment_id is null
"""
NEXT_DUE = "select extract(epoch from min(due_at) - clock_timestamp())::float from segment_due"


async def work(runtime: Runtime) -> None:
    """Keep memberships up to date until cancelled."""
    await MembershipWorker(runtime).run()


class MembershipWorker:
    """One replica's part of the work. A project is worked on by one replica at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self) -> None:
        while True:
            try:
                projects = [row["project"] for row in await self._runtime.pool.fetch(PROJECTS, timeout=10)]
                busy = [project for project in projects if await self._advance(project)]
                if not busy:
                    await self._rest()
            except CONNECTION_ERRORS as broken:
                log.warning("segments.database_unreachable", error=repr(broken))
                await asyncio.sleep(BACK_OFF_SECONDS)

    async def _advance(self, project: UUID) -> bool:
        """Do one portion of the project's work. Return False if there is none or another replica is doing it."""
        try:
            async with self._runtime.unit() as unit:
                return await membership.try_lock(unit.conn, project) and await membership.advance(unit, project)
        except CONNECTION_ERRORS:
            raise
        except CONFLICT_ERRORS as conflict:
            log.info("segments.retried", project=str(project), error=repr(conflict))
        except Exception:
            # one project's failure must not stop the work for all others
            log.exception("segments.update_failed", project=str(project))
        return False

    async def _rest(self) -> None:
        """Sleep until something is committed here or a contact is due, but only briefly: commits of other replicas
        are found by polling."""
        next_due = await self._runtime.pool.fetchval(NEXT_DUE, timeout=10)
        seconds = MAX_SLEEP_SECONDS if next_due is None else min(max(next_due, 0.0), MAX_SLEEP_SECONDS)
        async with soft_timeout(seconds):
            await self._runtime.committed.wait()
        self._runtime.committed.clear()
        await asyncio.sleep(GATHER_SECONDS)
