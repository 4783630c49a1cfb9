"""Doing one thing to many contacts, a page at a time, by the decider that every other write goes through."""

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
from services.contacts.contacts.commands import open_book
from services.contacts.contacts.contact_batch import Book
from services.contacts.jobs import failures as job_errors
from services.contacts.jobs.failures import Failure
from services.contacts.jobs.job import Job

BEFORE_ALL = UUID(int=0)

MATCHING = """
contact.project = $1 and created_at <= $2
    and ($3::text is null or strpos(email, $3) > 0)
    and ($4::boolean is null or subscribed = $4)
    and id <> all($5::uuid[])
"""

# A contact that the job itself has changed still counts: it is looked at once, in the order of the ids.
PAGE = f"select id from contact where id > $6 and {MATCHING} order by id limit $7"  # noqa: S608 - a constant
TOTAL = f"select count(*) from contact where {MATCHING}"  # noqa: S608 - a constant
STARTED = "select created_at from contact_job where project = $1 and id = $2"


async def bulk_page(unit: UnitOfWork, job: Job, cause: Cause, most: int) -> None:
    """Deal with the next contacts, at most so many, and say how far the job has come, or that it has ended."""
    assert isinstance(job.spec, BulkStarted)
    ids, cursor, total = await _next(unit.conn, job, job.spec, most)
    counts, failures = await _change(unit, job, job.spec.operation, ids, cause)
    await job_errors.note(unit.conn, job, failures)
    unit.append([JobProgressed(job_id=job.id, cursor=cursor, total=total, counts=counts)], cause)
    if len(ids) < most:
        unit.append([JobEnded(job_id=job.id, state="completed")], cause)


async def _next(conn: Connection, job: Job, spec: BulkStarted, most: int) -> tuple[Sequence[UUID], str, int]:
    """The contacts of this page, where the next begins, and how many there are in all."""
    match spec.selection:
        case ContactSelection(contact_ids=ids):
            start = int(job.cursor or 0)
            return ids[start : start + most], str(start + most), len(ids)
        case ContactSearch() as search:
            arguments = (job.project, await conn.fetchval(STARTED, job.project, job.id), *_wanted(search))
            after = UUID(job.cursor) if job.cursor else BEFORE_ALL
            found = [row["id"] for row in await conn.fetch(PAGE, *arguments, after, most)]
            total = job.total if job.cursor else await conn.fetchval(TOTAL, *arguments)
            return found, str(found[-1] if found else after), total


def _wanted(search: ContactSearch) -> tuple[str | None, bool | None, list[UUID]]:
    text = (search.filter.search or "").strip().lower()
    return text or None, search.filter.subscribed, search.exclude_ids


async def _change(
    unit: UnitOfWork, job: Job, operation: BulkOperation, ids: Sequence[UUID], cause: Cause
) -> tuple[JobCounts, list[Failure]]:
    changed = unchanged = 0
    failures: list[Failure] = []
    book = await open_book(unit, set(), {(job.project, contact_id) for contact_id in ids})
    begun = job.counts.changed + job.counts.unchanged + job.counts.failed
    for place, contact_id in enumerate(ids, begun + 1):
        try:
            done = _decide(unit, book, job.project, operation, contact_id, cause)
        except Rejected as no:
            failures.append(Failure(place=place, contact_id=str(contact_id), error=no.message))
        else:
            changed += done
            unchanged += not done
    before = job.counts
    counts = JobCounts(
        changed=before.changed + changed,
        unchanged=before.unchanged + unchanged,
        failed=before.failed + len(failures),
    )
    return counts, failures


def _decide(
    unit: UnitOfWork, book: Book, project: UUID, operation: BulkOperation, contact_id: UUID, cause: Cause
) -> bool:
    """Whether anything changed. Raises Rejected for a contact that is not there."""
    known = book.by_id(project, contact_id)
    events = contact.decide(_command(operation, contact_id), known.contact)
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
