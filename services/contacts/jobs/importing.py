"""Imports a file page by page: its rows become contacts, through the same decider as every other write.

The events of the contacts, the failures of the rows and the cursor of the next page commit together. After a crash at
any moment the import continues with the page that was not committed, so no row is imported twice or left out.
"""

from collections.abc import Sequence

import msgspec

from libs.kernel.csv_records import InvalidCsv, Record, RecordReader
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.envelope import Cause
from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.uuids import new_uuid
from libs.schemas.contacts.contacts import ContactCreated, SaveContact
from libs.schemas.contacts.jobs import (
    MAX_ROWS,
    ImportStarted,
    JobCounts,
    JobEnded,
    JobProgressed,
)
from services.contacts.contacts import contact
from services.contacts.contacts.address import parse
from services.contacts.contacts.commands import load_batch
from services.contacts.jobs import failures, import_file
from services.contacts.jobs.failures import JobFailure
from services.contacts.jobs.import_row import contact_of, parse_columns
from services.contacts.jobs.job import Job


class ImportRow(msgspec.Struct, frozen=True):
    """A row that can be imported. `address` is the command's address in the form in which it is stored."""

    number: int
    address: str
    command: SaveContact


async def run_import_page(unit: UnitOfWork, job: Job, cause: Cause, limit: int) -> None:
    """Import the next rows, at most `limit`, and record the job's progress or its end."""
    assert isinstance(job.spec, ImportStarted)
    reader = _reader_of(job, job.spec)
    found, error = await import_file.load_page(unit.conn, job.project, job.id, reader, job.spec.size, limit)
    rows, failed = _parse(job.spec, [record for record in found if record.row > 1 and any(record.cells)])
    counts = await _save(unit, job, cause, rows, failed)
    await failures.store(unit.conn, job, failed)
    cursor = _cursor(reader, found)
    unit.append([JobProgressed(job_id=job.id, cursor=cursor, total=job.total, counts=counts)], cause)
    reason = _failed_reason(error, counts)
    if reason or len(found) < limit:
        await _end(unit, job, cause, reason)


async def _save(
    unit: UnitOfWork, job: Job, cause: Cause, rows: Sequence[ImportRow], failed: list[JobFailure]
) -> JobCounts:
    """Decide row by row in the order of the file, and add rejected rows to the failures."""
    created = changed = unchanged = 0
    batch = await load_batch(unit, {(job.project, row.address) for row in rows}, set())
    for row in rows:
        state = batch.by_address(job.project, row.address)
        try:
            events = contact.decide(row.command, state.contact)
        except Rejected as rejected:
            failed.append(_failure(row.number, row.command.email, rejected))
            continue
        unit.append(events, cause)
        batch.put(job.project, state.after(events, unit.now))
        if not events:
            unchanged += 1
        elif isinstance(events[0], ContactCreated):
            created += 1
        else:
            changed += 1
    return JobCounts(
        created=job.counts.created + created,
        changed=job.counts.changed + changed,
        unchanged=job.counts.unchanged + unchanged,
        failed=job.counts.failed + len(failed),
    )


async def _end(unit: UnitOfWork, job: Job, cause: Cause, reason: str | None) -> None:
    unit.append([JobEnded(job_id=job.id, state="failed" if reason else "completed", reason=reason)], cause)
    await import_file.delete(unit.conn, job.project, job.id)


def _parse(spec: ImportStarted, records: Sequence[Record]) -> tuple[list[ImportRow], list[JobFailure]]:
    """Return the rows with a valid address, and the failures of the others."""
    columns = parse_columns(spec.columns)
    rows: list[ImportRow] = []
    failed: list[JobFailure] = []
    for record in records:
        command = contact_of(columns, record.cells, new_uuid())
        try:
            rows.append(ImportRow(record.row, parse(command.email), command))
        except Rejected as rejected:
            failed.append(_failure(record.row, command.email, rejected))
    return rows, failed


def _failure(row: int, email: str, rejected: Rejected) -> JobFailure:
    text = rejected.errors[0].message if rejected.errors else rejected.message
    return JobFailure(place=row, email=email, error=text)


def _failed_reason(error: InvalidCsv | None, counts: JobCounts) -> str | None:
    if error:
        return str(error)
    done = counts.created + counts.changed + counts.unchanged + counts.failed
    return f"The file has more than {MAX_ROWS} rows" if done > MAX_ROWS else None


def _reader_of(job: Job, spec: ImportStarted) -> RecordReader:
    row, _, offset = job.cursor.partition(":")
    return RecordReader(spec.delimiter, row=int(row or 0), offset=int(offset or 0))


def _cursor(reader: RecordReader, found: Sequence[Record]) -> str:
    """Return the number of the last row that is done and the offset of the next one."""
    return f"{found[-1].row}:{found[-1].end}" if found else f"{reader.row}:{reader.offset}"
