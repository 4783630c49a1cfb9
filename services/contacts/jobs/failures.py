"""What a job could do nothing with, and why: kept for a month, the first thousand of each job."""

from collections.abc import Sequence

import msgspec

from libs.runtime.eventstore.store import Connection
from services.contacts.jobs.job import MAX_ERRORS, Job

MAX_TEXT = 500
KEPT_DAYS = 30
AT_ONCE = 5000

NOTE = """
insert into job_error (project, job_id, place, contact_id, email, error)
select $1, $2, * from unnest($3::int[], $4::text[], $5::text[], $6::text[])
"""

LIST = "select place, contact_id, email, error from job_error where project = $1 and job_id = $2 order by place"

FORGET_OLD = """
delete from job_error where (project, job_id, place) in (
    select project, job_id, place from job_error
    where noted_at < clock_timestamp() - make_interval(days => $1)
    limit $2
)
"""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """`place` is a row of a file, or the number of a contact among those of a job."""

    place: int
    contact_id: str = ""
    email: str = ""
    error: str


async def note(conn: Connection, job: Job, failures: Sequence[Failure]) -> None:
    """Keep the failures of a page, as far as there is room."""
    kept = failures[: max(0, MAX_ERRORS - job.counts.failed)]
    if kept:
        await conn.execute(
            NOTE,
            job.project,
            job.id,
            [each.place for each in kept],
            [each.contact_id for each in kept],
            [each.email[:MAX_TEXT] for each in kept],
            [each.error[:MAX_TEXT] for each in kept],
        )


async def of(conn: Connection, job: Job) -> list[Failure]:
    rows = await conn.fetch(LIST, job.project, job.id)
    return [
        Failure(place=row["place"], contact_id=row["contact_id"], email=row["email"], error=row["error"])
        for row in rows
    ]


async def forget_old(conn: Connection) -> None:
    await conn.execute(FORGET_OLD, KEPT_DAYS, AT_ONCE)
