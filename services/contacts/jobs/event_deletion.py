"""Deletes all tracked events of a name: a job erases them page by page, whole contacts at a time."""

from datetime import datetime

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.envelope import Cause, Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.events import (
    DeleteEvents,
    EventDeletionStarted,
    EventsDeleted,
    EventsErased,
)
from libs.schemas.contacts.jobs import JobCounts, JobEnded, JobProgressed
from services.contacts.contacts.contact import check_event_name
from services.contacts.events.queries import find_segments_using
from services.contacts.events.read_models import tracked_event
from services.contacts.jobs.job import Job


async def delete_events(unit: UnitOfWork, envelope: Envelope[DeleteEvents]) -> EventsDeleted:
    """Start deleting the events tracked so far. Raise Rejected for a reserved name or one that segments ask about."""
    command = envelope.message
    check_event_name(command.name)
    if users := await find_segments_using(unit.conn, envelope.project, command.name):
        names = ", ".join(segment.name for segment in users)
        raise Rejected("EVENT_IN_USE", f"Cannot delete event: used in segments {names}")
    count = await tracked_event.total(unit.conn, envelope.project, command.name, unit.now)
    if count:
        through = unit.now.isoformat()  # to the microsecond, as events are recorded
        started = EventDeletionStarted(job_id=command.job_id, name=command.name, through=through, rows=count)
        unit.append([started], envelope)
    return EventsDeleted(deleted_count=count)


async def run_event_deletion_page(unit: UnitOfWork, job: Job, cause: Cause, limit: int) -> None:
    """Erase the events of the next contacts, at most `limit`, and record the job's progress or its end."""
    spec = job.spec
    assert isinstance(spec, EventDeletionStarted)
    through = datetime.fromisoformat(spec.through)
    contacts = await tracked_event.to_erase(unit.conn, job.project, spec.name, through, limit)
    if not contacts:
        unit.append([JobEnded(job_id=job.id, state="completed")], cause)
        return
    changed = job.counts.changed + sum(contact.count for contact in contacts)
    unit.append(
        [
            EventsErased(job_id=job.id, name=spec.name, through=spec.through, contacts=contacts),
            JobProgressed(job_id=job.id, cursor=iso(unit.now), total=spec.rows, counts=JobCounts(changed=changed)),
        ],
        cause,
    )
