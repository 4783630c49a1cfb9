"""Deletes a custom field: a job removes its key from the data of every contact, page by page.

A contact that gets the field again after its page keeps it.
"""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.envelope import Cause, Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import UpdateContact
from libs.schemas.contacts.fields import (
    DeleteField,
    FieldDeleted,
    FieldDeletion,
    FieldDeletionJobStarted,
    FieldDeletionStarted,
)
from libs.schemas.contacts.jobs import JobCounts, JobEnded, JobProgressed
from services.contacts.contacts import contact
from services.contacts.contacts.commands import load_batch
from services.contacts.fields.read_models import contact_field
from services.contacts.jobs.job import Job

BEFORE_ALL = UUID(int=0)

# The page is limited by the contacts that are visited, not by those with the field, of which there may be few.
PAGE = """
select id, data ? $4 as has_field from contact where project = $1 and id > $2 order by id limit $3
"""


async def delete_field(unit: UnitOfWork, envelope: Envelope[DeleteField]) -> FieldDeletion:
    job_id, field = envelope.message.job_id, envelope.message.field
    contacts = await contact_field.count_contacts_with(unit.conn, envelope.project, field)
    unit.append(
        [
            FieldDeletionStarted(job_id=job_id, field=field, contacts=contacts),
            FieldDeletionJobStarted(job_id=job_id, field=field, rows=contacts),
        ],
        envelope,
    )
    return FieldDeletion(deleted_from=contacts, job_id=job_id)


async def run_field_deletion_page(unit: UnitOfWork, job: Job, cause: Cause, limit: int) -> None:
    """Remove the field from the next contacts, at most `limit`, and record the job's progress or its end."""
    spec = job.spec
    assert isinstance(spec, FieldDeletionJobStarted)
    after = UUID(job.cursor) if job.cursor else BEFORE_ALL
    rows = await unit.conn.fetch(PAGE, job.project, after, limit, spec.field)
    ids = [row["id"] for row in rows if row["has_field"]]
    await _remove_field(unit, job.project, spec.field, ids, cause)
    changed = job.counts.changed + len(ids)
    cursor = str(rows[-1]["id"] if rows else after)
    counts = JobCounts(changed=changed)
    unit.append([JobProgressed(job_id=job.id, cursor=cursor, total=max(spec.rows, changed), counts=counts)], cause)
    if len(rows) < limit:
        unit.expect(f"field-deletion-{job.id}", 1)
        unit.append([FieldDeleted(job_id=job.id, field=spec.field, contacts=changed)], cause)
        unit.append([JobEnded(job_id=job.id, state="completed")], cause)


async def _remove_field(unit: UnitOfWork, project: UUID, field: str, ids: Sequence[UUID], cause: Cause) -> None:
    batch = await load_batch(unit, set(), {(project, contact_id) for contact_id in ids})
    for contact_id in ids:
        command = UpdateContact(contact_id=contact_id, data={field: None})
        unit.append(contact.decide(command, batch.by_id(project, contact_id).contact), cause)
