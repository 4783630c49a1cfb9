"""The loop that keeps memberships up to date: it goes round the projects in which there is something to look at."""

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

# The queue is asked for its projects by leaps over the index, not row by row. The time is the statement's: with one
# that may change meanwhile the index on it is of no use.
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


async def keep(runtime: Runtime) -> None:
    """Keep until cancelled. Every replica does, each project's turn being one replica's at a time."""
    while True:
        try:
            projects = [row["project"] for row in await runtime.pool.fetch(PROJECTS, timeout=10)]
            busy = [project for project in projects if await _turn(runtime, project)]
            if not busy:
                await _rest(runtime)
        except CONNECTION_ERRORS as broken:
            log.warning("segments.database_unreachable", error=repr(broken))
            await asyncio.sleep(BACK_OFF_SECONDS)


async def _turn(runtime: Runtime, project: UUID) -> bool:
    """One portion of the project's work; False if there is none, or another replica is at it."""
    try:
        async with runtime.unit() as unit:
            return await membership.try_lock(unit.conn, project) and await membership.advance(unit, project)
    except CONNECTION_ERRORS:
        raise
    except CONFLICT_ERRORS as conflict:
        log.info("segments.again", project=str(project), error=repr(conflict))
    except Exception:
        # one project's trouble must not end the keeping of all others'
        log.exception("segments.not_kept", project=str(project))
    return False


async def _rest(runtime: Runtime) -> None:
    """Until something is committed here, a contact is due, or for a moment: other replicas' commits are polled for."""
    wait = await runtime.pool.fetchval(NEXT_DUE, timeout=10)
    seconds = MAX_SLEEP_SECONDS if wait is None else min(max(wait, 0.0), MAX_SLEEP_SECONDS)
    async with soft_timeout(seconds):
        await runtime.committed.wait()
    runtime.committed.clear()
    await asyncio.sleep(GATHER_SECONDS)
