"""Deleting a custom field: its key is taken out of every contact's data, page by page.

Every page is one firing of a timer, which commits with the timer of the next: a crash continues with the page that was
not committed. A contact that gets the field again after its page keeps it.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.aggregate import accepted
from libs.runtime.envelope import Envelope
from libs.runtime.store import Unit
from libs.schemas.base import Message
from libs.schemas.contacts import UpdateContact
from libs.schemas.fields import DeleteField, FieldDeleted, FieldDeletion, FieldDeletionStarted
from services.contacts import contact
from services.contacts.commands import open_book
from services.contacts.read_models import contact_field

PAGE = 2000
AT_ONCE = timedelta(0)
BEFORE_ALL = UUID(int=0)

# The page ends by the contacts that were looked at, not by those who have the field: few of many may.
LOOKED_AT = """
select id, data ? $4 as has from contact where project = $1 and id > $2 order by id limit $3
"""


class StripField(Message, tag="strip-field", frozen=True, kw_only=True):
    """Go on after `cursor`; `contacts` have lost the field so far."""

    job_id: UUID
    field: str
    cursor: UUID = BEFORE_ALL
    contacts: int = 0


async def delete_fields(unit: Unit, envelopes: Sequence[Envelope[DeleteField]]) -> Sequence[bytes]:
    """Begin each; a field that no contact has is done with at once."""
    return [await _begin(unit, envelope) for envelope in envelopes]


async def strip(unit: Unit, envelopes: Sequence[Envelope[StripField]]) -> None:
    for envelope in envelopes:
        await _strip_page(unit, envelope)


async def _begin(unit: Unit, envelope: Envelope[DeleteField]) -> bytes:
    command = envelope.message
    known = (await contact_field.fields(unit.conn, envelope.project, command.field)).get(command.field)
    having = known.contacts if known else 0
    unit.append([FieldDeletionStarted(job_id=command.job_id, field=command.field, contacts=having)], envelope)
    await unit.schedule_in(
        str(command.job_id), AT_ONCE, StripField(job_id=command.job_id, field=command.field), envelope
    )
    return accepted(FieldDeletion(deleted_from=having, job_id=command.job_id))


async def _strip_page(unit: Unit, envelope: Envelope[StripField]) -> None:
    job, project = envelope.message, envelope.project
    rows = await unit.conn.fetch(LOOKED_AT, project, job.cursor, PAGE, job.field)
    book = await open_book(unit, set(), {(project, row["id"]) for row in rows if row["has"]})
    for contact_id in (row["id"] for row in rows if row["has"]):
        command = UpdateContact(contact_id=contact_id, data={job.field: None})
        unit.append(contact.decide(command, book.by_id(project, contact_id).contact), envelope)
    job = replace(job, contacts=job.contacts + sum(row["has"] for row in rows))
    if len(rows) == PAGE:
        await unit.schedule_in(str(job.job_id), AT_ONCE, replace(job, cursor=rows[-1]["id"]), envelope)
    else:
        unit.expect(f"field-deletion-{job.job_id}", 1)
        unit.append([FieldDeleted(job_id=job.job_id, field=job.field, contacts=job.contacts)], envelope)
