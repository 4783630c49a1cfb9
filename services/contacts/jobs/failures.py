"""Stores the rows and contacts that a job failed on, with the reason: the first thousand of each job, for a month."""

from collections.abc import Sequence

import msgspec

from libs.runtime.eventstore.store import Connection
from services.contacts.jobs.job import Job

MAX_FAILURES = 1000
MAX_TEXT = 500
KEPT_DAYS = 30
DELETED_ROWS = 5000

INSERT = """
insert into job_error (project, job_id, place, contact_id, email, error)
select $1, $2, * from unnest($3::int[], $4::text[], $5::text[], $6::text[])
"""

LIST = "select place, contact_id, email, error from job_error where project = $1 and job_id = $2 order by place"

DELETE_OLD = """
delete from job_error where (project, job_id, place) in (
    select project, job_id, place from job_error
    where noted_at < clock_timestamp() - make_interval(days => $1)
    limit $2
)
"""


class JobFailure(msgspec.Struct, frozen=True, kw_only=True):
    """`place` is the number of a row in the file, or of a contact within the job."""

    place: int
    contact_id: str = ""
    email: str = ""
    error: str


async def store(conn: Connection, job: Job, failures: Sequence[JobFailure]) -> None:
    """Store the failures of a page, up to the job's maximum."""
    kept = failures[: max(0, MAX_FAILURES - job.counts.failed)]
    if kept:
        await conn.execute(
            INSERT,
            job.project,
            job.id,
            [each.place for each in kept],
            [each.contact_id for each in kept],
            [each.email[:MAX_TEXT] for each in kept],
            [each.error[:MAX_TEXT] for each in kept],
        )


async def load(conn: Connection, job: Job) -> list[JobFailure]:
    rows = await conn.fetch(LIST, job.project, job.id)
    return [
        JobFailure(place=row["place"], contact_id=row["contact_id"], email=row["email"], error=row["error"])
        for row in rows
    ]


async def delete_old(conn: Connection) -> None:
    await conn.execute(DELETE_OLD, KEPT_DAYS, DELETED_ROWS)
