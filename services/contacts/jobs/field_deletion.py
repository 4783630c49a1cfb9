"""Deleting a custom field: its key is taken out of every contact's data, page by page, as a job.

A contact that gets the field again after its page keeps it.
"""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.envelope import Cause, Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.base import Message
from libs.schemas.contacts.contacts import UpdateContact
from libs.schemas.contacts.fields import (
    DeleteField,
    FieldDeleted,
    FieldDeletion,
    FieldDeletionStarted,
    FieldRemovalStarted,
)
from libs.schemas.contacts.jobs import JobCounts, JobEnded, JobProgressed
from services.contacts.contacts import contact
from services.contacts.contacts.commands import open_book
from services.contacts.fields.read_models import contact_field
from services.contacts.jobs.job import Job

BEFORE_ALL = UUID(int=0)

# The page ends by the contacts that were looked at, not by those who have the field: few of many may.
LOOKED_AT = """
select id, data ? $4 as has from contact where project = $1 and id > $2 order by id limit $3
"""


class StripField(Message, tag="strip-field", frozen=True, kw_only=True):
    """Of a deletion that began before it was a job: see `go_on`."""

    job_id: UUID
    field: str
    cursor: UUID = BEFORE_ALL
    contacts: int = 0


async def delete_field(unit: UnitOfWork, envelope: Envelope[DeleteField]) -> FieldDeletion:
    job_id, field = envelope.message.job_id, envelope.message.field
    having = await _having(unit.conn, envelope.project, field)
    unit.append(
        [
            FieldDeletionStarted(job_id=job_id, field=field, contacts=having),
            FieldRemovalStarted(job_id=job_id, field=field, rows=having),
        ],
        envelope,
    )
    return FieldDeletion(deleted_from=having, job_id=job_id)


async def strip_page(unit: UnitOfWork, job: Job, cause: Cause, most: int) -> None:
    """Take the field from the next contacts, and say how far the job has come, or that it has ended."""
    spec = job.spec
    assert isinstance(spec, FieldRemovalStarted)
    after = UUID(job.cursor) if job.cursor else BEFORE_ALL
    rows = await unit.conn.fetch(LOOKED_AT, job.project, after, most, spec.field)
    having = [row["id"] for row in rows if row["has"]]
    await _strip(unit, job.project, spec.field, having, cause)
    changed = job.counts.changed + len(having)
    cursor = str(rows[-1]["id"] if rows else after)
    unit.append(
        [JobProgressed(job_id=job.id, cursor=cursor, total=max(spec.rows, changed), counts=JobCounts(changed=changed))],
        cause,
    )
    if len(rows) < most:
        unit.expect(f"field-deletion-{job.id}", 1)
        unit.append([FieldDeleted(job_id=job.id, field=spec.field, contacts=changed)], cause)
        unit.append([JobEnded(job_id=job.id, state="completed")], cause)


async def go_on(unit: UnitOfWork, envelopes: Sequence[Envelope[StripField]]) -> None:
    """Have a deletion that began before it was a job done by one, from the start: who lost the field stays as they
    are."""
    for envelope in envelopes:
        old = envelope.message
        having = await _having(unit.conn, envelope.project, old.field)
        unit.append([FieldRemovalStarted(job_id=old.job_id, field=old.field, rows=having)], envelope)


async def _strip(unit: UnitOfWork, project: UUID, field: str, ids: Sequence[UUID], cause: Cause) -> None:
    book = await open_book(unit, set(), {(project, contact_id) for contact_id in ids})
    for contact_id in ids:
        command = UpdateContact(contact_id=contact_id, data={field: None})
        unit.append(contact.decide(command, book.by_id(project, contact_id).contact), cause)


async def _having(conn: Connection, project: UUID, field: str) -> int:
    known = (await contact_field.fields(conn, project, field)).get(field)
    return known.contacts if known else 0
