"""Runs a bulk operation on contacts page by page, through the same decider as every other write."""

from collections.abc import Sequence
from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.envelope import Cause
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.contacts.contacts import DeleteContact, SubscribeContact, UnsubscribeContact
from libs.schemas.contacts.jobs import (
    BulkOperation,
    BulkStarted,
    ContactSearch,
    ContactSelection,
    JobCounts,
    JobEnded,
    JobProgressed,
)
from services.contacts.contacts import contact
from services.contacts.contacts.commands import load_batch
from services.contacts.contacts.contact_batch import ContactBatch
from services.contacts.jobs import failures
from services.contacts.jobs.failures import JobFailure
from services.contacts.jobs.job import Job

BEFORE_ALL = UUID(int=0)

MATCHING = """
contact.project = $1 and created_at <= $2
    and ($3::text is null or strpos(email, $3) > 0)
    and ($4::boolean is null or subscribed = $4)
    and id <> all($5::uuid[])
"""

# Contacts are visited once each, in the order of their ids, so changes by the job itself do not bring them back.
PAGE = f"select id from contact where id > $6 and {MATCHING} order by id limit $7"  # noqa: S608 - a constant
TOTAL = f"select count(*) from contact where {MATCHING}"  # noqa: S608 - a constant
STARTED_AT = "select created_at from contact_job where project = $1 and id = $2"


async def run_bulk_page(unit: UnitOfWork, job: Job, cause: Cause, limit: int) -> None:
    """Change the next contacts, at most `limit`, and record the job's progress or its end."""
    assert isinstance(job.spec, BulkStarted)
    ids, cursor, total = await _next(unit.conn, job, job.spec, limit)
    counts, failed = await _change(unit, job, job.spec.operation, ids, cause)
    await failures.store(unit.conn, job, failed)
    unit.append([JobProgressed(job_id=job.id, cursor=cursor, total=total, counts=counts)], cause)
    if len(ids) < limit:
        unit.append([JobEnded(job_id=job.id, state="completed")], cause)


async def _next(conn: Connection, job: Job, spec: BulkStarted, limit: int) -> tuple[Sequence[UUID], str, int]:
    """Return the contacts of this page, the cursor of the next one, and the number of all contacts."""
    match spec.selection:
        case ContactSelection(contact_ids=ids):
            start = int(job.cursor or 0)
            return ids[start : start + limit], str(start + limit), len(ids)
        case ContactSearch() as search:
            arguments = (job.project, await conn.fetchval(STARTED_AT, job.project, job.id), *_criteria(search))
            after = UUID(job.cursor) if job.cursor else BEFORE_ALL
            found = [row["id"] for row in await conn.fetch(PAGE, *arguments, after, limit)]
            total = job.total if job.cursor else await conn.fetchval(TOTAL, *arguments)
            return found, str(found[-1] if found else after), total


def _criteria(search: ContactSearch) -> tuple[str | None, bool | None, list[UUID]]:
    text = (search.filter.search or "").strip().lower()
    return text or None, search.filter.subscribed, search.exclude_ids


async def _change(
    unit: UnitOfWork, job: Job, operation: BulkOperation, ids: Sequence[UUID], cause: Cause
) -> tuple[JobCounts, list[JobFailure]]:
    changed = unchanged = 0
    failed: list[JobFailure] = []
    batch = await load_batch(unit, set(), {(job.project, contact_id) for contact_id in ids})
    done_before = job.counts.changed + job.counts.unchanged + job.counts.failed
    for place, contact_id in enumerate(ids, done_before + 1):
        try:
            has_changed = _change_one(unit, batch, job.project, operation, contact_id, cause)
        except Rejected as rejected:
            failed.append(JobFailure(place=place, contact_id=str(contact_id), error=rejected.message))
        else:
            changed += has_changed
            unchanged += not has_changed
    counts = JobCounts(
        changed=job.counts.changed + changed,
        unchanged=job.counts.unchanged + unchanged,
        failed=job.counts.failed + len(failed),
    )
    return counts, failed


def _change_one(
    unit: UnitOfWork, batch: ContactBatch, project: UUID, operation: BulkOperation, contact_id: UUID, cause: Cause
) -> bool:
    """Return whether anything changed. Raise Rejected if there is no such contact."""
    events = contact.decide(_command(operation, contact_id), batch.by_id(project, contact_id).contact)
    unit.append(events, cause)
    return bool(events)


def _command(operation: BulkOperation, contact_id: UUID) -> contact.Command:
    match operation:
        case "subscribe":
            return SubscribeContact(contact_id=contact_id)
        case "unsubscribe":
            return UnsubscribeContact(contact_id=contact_id, reason="api")
        case "delete":
            return DeleteContact(contact_id=contact_id)
