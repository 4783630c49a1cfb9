"""Handle the commands about jobs: store files chunk by chunk, start jobs and cancel them."""

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
from services.contacts.jobs.errors import invalid_file
from services.contacts.jobs.event_deletion import delete_events
from services.contacts.jobs.field_deletion import delete_field
from services.contacts.jobs.read_models import contact_job

QUEUED = "Import queued successfully"
SAME_FILE = "This file is already being imported, or was imported within the last day; this is its job"
OTHER_FILE = Rejected("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was already used for a different file")
INCOMPLETE = Rejected("BAD_REQUEST", "The file did not arrive completely; upload it again")


def one_by_one(handle: Callable[[UnitOfWork, Envelope[Any]], Awaitable[View]]) -> BatchHandler:
    """Return a batch handler for rare messages, each of which sees the effects of the one before."""

    async def handle_all(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        return [await handle_one(unit, envelope) for envelope in envelopes]

    async def handle_one(unit: UnitOfWork, envelope: Envelope[Any]) -> bytes:
        try:
            view = await handle(unit, envelope)
        except Rejected as rejected:
            return encode(rejected.as_reply())
        await unit.flush()
        return accepted_reply(view)

    return handle_all


async def store_chunk(unit: UnitOfWork, envelope: Envelope[StoreImportChunk]) -> StoredChunk:
    chunk = envelope.message
    if not 0 <= chunk.number <= MAX_FILE_BYTES // CHUNK_BYTES or not 0 < len(chunk.data) <= CHUNK_BYTES:
        raise Rejected("PAYLOAD_TOO_LARGE", f"A file must have at most {MAX_FILE_BYTES} bytes")
    if not await import_file.store(unit.conn, envelope.project, chunk.import_id, chunk.number, chunk.data):
        raise OTHER_FILE
    return StoredChunk(number=chunk.number)


async def start_import(unit: UnitOfWork, envelope: Envelope[StartImport]) -> JobAccepted:
    project, command = envelope.project, envelope.message
    if not command.again and (
        existing := await contact_job.find_import_of(unit.conn, project, command.digest, unit.now)
    ):
        await import_file.delete(unit.conn, project, command.import_id)
        return JobAccepted(message=SAME_FILE, job_id=existing)
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
    row = await contact_job.find(unit.conn, envelope.project, command.job_id)
    current = row.job if row else None
    events = job.cancel(command, current)
    if events and current:
        unit.expect(current.stream, current.version)
        unit.append(events, envelope)
    return JobStopped(id=command.job_id, state="cancelled")


async def _header(unit: UnitOfWork, project: UUID, command: StartImport) -> tuple[str, list[str]]:
    try:
        delimiter, record = await import_file.load_header(unit.conn, project, command.import_id, command.size)
    except InvalidCsv as error:
        raise invalid_file(str(error), error.code) from error
    return delimiter, list(record.cells) if record else []


COMMANDS: Mapping[type[Command], BatchHandler] = {
    StoreImportChunk: one_by_one(store_chunk),
    StartImport: one_by_one(start_import),
    StartBulk: one_by_one(start_bulk),
    CancelJob: one_by_one(cancel_job),
    DeleteEvents: one_by_one(delete_events),
    DeleteField: one_by_one(delete_field),
}
