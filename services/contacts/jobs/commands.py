"""Commands about jobs: take a file piece by piece, start jobs, cancel them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.kernel.csv_records import InvalidCsv
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Command, View
from libs.schemas.contacts.events import DeleteEvents
from libs.schemas.contacts.fields import DeleteField
from libs.schemas.contacts.jobs import (
    CHUNK_BYTES,
    MAX_FILE_BYTES,
    CancelJob,
    JobAccepted,
    JobStopped,
    StartBulk,
    StartImport,
    StoredChunk,
    StoreImportChunk,
)
from services.contacts.jobs import import_file, job
from services.contacts.jobs.event_deletion import delete_events
from services.contacts.jobs.field_deletion import delete_field
from services.contacts.jobs.import_row import refused
from services.contacts.jobs.read_models import contact_job as jobs

QUEUED = "Import queued successfully"
THE_SAME = "This file is being imported, or was imported within the last day: this is its job"
OTHER_FILE = Rejected("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another file")
INCOMPLETE = Rejected("BAD_REQUEST", "The file did not arrive completely: send it again")


def one_by_one(handle: Callable[[UnitOfWork, Envelope[Any]], Awaitable[View]]) -> BatchHandler:
    """A batch handler for what is rare: each message sees what the one before it did."""

    async def handle_all(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        return [await answer(unit, envelope) for envelope in envelopes]

    async def answer(unit: UnitOfWork, envelope: Envelope[Any]) -> bytes:
        try:
            view = await handle(unit, envelope)
        except Rejected as no:
            return encode(no.as_reply())
        await unit.flush()
        return accepted_reply(view)

    return handle_all


async def store_chunk(unit: UnitOfWork, envelope: Envelope[StoreImportChunk]) -> StoredChunk:
    chunk = envelope.message
    if not 0 <= chunk.number <= MAX_FILE_BYTES // CHUNK_BYTES or not 0 < len(chunk.data) <= CHUNK_BYTES:
        raise Rejected("PAYLOAD_TOO_LARGE", "The file is larger than an import takes")
    if not await import_file.store(unit.conn, envelope.project, chunk.import_id, chunk.number, chunk.data):
        raise OTHER_FILE
    return StoredChunk(number=chunk.number)


async def start_import(unit: UnitOfWork, envelope: Envelope[StartImport]) -> JobAccepted:
    project, command = envelope.project, envelope.message
    if not command.again and (known := await jobs.same_file(unit.conn, project, command.digest, unit.now)):
        await import_file.forget(unit.conn, project, command.import_id)
        return JobAccepted(message=THE_SAME, job_id=known)
    if command.size and not await import_file.is_complete(
        unit.conn, project, command.import_id, command.chunks, command.size
    ):
        raise INCOMPLETE
    delimiter, header = await _header(unit, project, command)
    unit.append([job.start_import(command, delimiter, header)], envelope)
    return JobAccepted(message=QUEUED, job_id=command.import_id)


async def start_bulk(unit: UnitOfWork, envelope: Envelope[StartBulk]) -> JobAccepted:
    command = envelope.message
    unit.append([job.start_bulk(command)], envelope)
    return JobAccepted(message=f"Bulk {command.operation} queued successfully", job_id=command.job_id)


async def cancel_job(unit: UnitOfWork, envelope: Envelope[CancelJob]) -> JobStopped:
    command = envelope.message
    row = await jobs.find(unit.conn, envelope.project, command.job_id)
    found = row.job if row else None
    events = job.cancel(command, found)
    if events and found:
        unit.expect(found.stream, found.version)
        unit.append(events, envelope)
    return JobStopped(id=command.job_id, state="cancelled")


async def _header(unit: UnitOfWork, project: UUID, command: StartImport) -> tuple[str, list[str]]:
    try:
        delimiter, record = await import_file.first_row(unit.conn, project, command.import_id, command.size)
    except InvalidCsv as broken:
        raise refused(str(broken), broken.code) from broken
    return delimiter, list(record.cells) if record else []


COMMANDS: Mapping[type[Command], BatchHandler] = {
    StoreImportChunk: one_by_one(store_chunk),
    StartImport: one_by_one(start_import),
    StartBulk: one_by_one(start_bulk),
    CancelJob: one_by_one(cancel_job),
    DeleteEvents: one_by_one(delete_events),
    DeleteField: one_by_one(delete_field),
}
