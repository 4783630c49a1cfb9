"""Forgetting the events of a name, some contacts at a time."""

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
from services.contacts.events.queries import segments_asking
from services.contacts.events.read_models import tracked_event as tracked
from services.contacts.jobs.job import Job


async def delete_events(unit: UnitOfWork, envelope: Envelope[DeleteEvents]) -> EventsDeleted:
    """What is tracked from now on stays. Raises Rejected for a name that is reserved or that segments ask about."""
    command = envelope.message
    check_event_name(command.name)
    if used := await segments_asking(unit.conn, envelope.project, command.name):
        names = ", ".join(segment.name for segment in used)
        raise Rejected("EVENT_IN_USE", f"Cannot delete event: used in segments {names}")
    count = await tracked.total(unit.conn, envelope.project, command.name, unit.now)
    if count:
        started = EventDeletionStarted(job_id=command.job_id, name=command.name, through=_exact(unit.now), rows=count)
        unit.append([started], envelope)
    return EventsDeleted(deleted_count=count)


async def erase_page(unit: UnitOfWork, job: Job, cause: Cause, most: int) -> None:
    """Forget what the next contacts did, and say how far the job has come, or that it has ended."""
    spec = job.spec
    assert isinstance(spec, EventDeletionStarted)
    contacts = await tracked.to_erase(unit.conn, job.project, spec.name, datetime.fromisoformat(spec.through), most)
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


def _exact(moment: datetime) -> str:
    """To the microsecond, as events are recorded."""
    return moment.isoformat()
