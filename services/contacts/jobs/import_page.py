"""Importing a page of a file: its rows become contacts, by the decider that every other write goes through.

The contacts' events, the errors of rows and the place of the next page commit together. A crash at any moment goes on
with the page that was not committed, so no row is done twice and none is left out.
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
from services.contacts.contacts.commands import open_book
from services.contacts.jobs import failures as job_errors
from services.contacts.jobs import import_file
from services.contacts.jobs.failures import Failure
from services.contacts.jobs.import_row import columns_of, contact_of
from services.contacts.jobs.job import Job


class Row(msgspec.Struct, frozen=True):
    """A row that can be imported. `address` is the one of the command, as it is stored."""

    number: int
    address: str
    command: SaveContact


async def import_page(unit: UnitOfWork, job: Job, cause: Cause, most: int) -> None:
    """Import the next rows, at most so many, and say how far the job has come, or that it has ended."""
    assert isinstance(job.spec, ImportStarted)
    size, records = job.spec.size, _records_of(job, job.spec)
    found, broken = await import_file.page(unit.conn, job.project, job.id, records, size, most)
    rows, failures = _read(job.spec, [record for record in found if record.row > 1 and any(record.cells)])
    counts = await _save(unit, job, cause, rows, failures)
    await job_errors.note(unit.conn, job, failures)
    unit.append([JobProgressed(job_id=job.id, cursor=_cursor(records, found), total=job.total, counts=counts)], cause)
    reason = _reason(broken, counts)
    if reason or len(found) < most:
        await _end(unit, job, cause, reason)


async def _save(unit: UnitOfWork, job: Job, cause: Cause, rows: Sequence[Row], failures: list[Failure]) -> JobCounts:
    """Decide row by row, in the order of the file; what is refused joins the failures."""
    created = changed = unchanged = 0
    book = await open_book(unit, {(job.project, row.address) for row in rows}, set())
    for row in rows:
        known = book.by_address(job.project, row.address)
        try:
            events = contact.decide(row.command, known.contact)
        except Rejected as no:
            failures.append(_failure(row.number, row.command.email, no))
            continue
        unit.append(events, cause)
        book.keep(job.project, known.after(events, unit.now))
        if not events:
            unchanged += 1
        elif isinstance(events[0], ContactCreated):
            created += 1
        else:
            changed += 1
    before = job.counts
    return JobCounts(
        created=before.created + created,
        changed=before.changed + changed,
        unchanged=before.unchanged + unchanged,
        failed=before.failed + len(failures),
    )


async def _end(unit: UnitOfWork, job: Job, cause: Cause, reason: str | None) -> None:
    unit.append([JobEnded(job_id=job.id, state="failed" if reason else "completed", reason=reason)], cause)
    await import_file.forget(unit.conn, job.project, job.id)


def _read(spec: ImportStarted, records: Sequence[Record]) -> tuple[list[Row], list[Failure]]:
    """The rows that describe a contact, and those that do not."""
    columns = columns_of(spec.columns)
    rows: list[Row] = []
    failures: list[Failure] = []
    for record in records:
        command = contact_of(columns, record.cells, new_uuid())
        try:
            rows.append(Row(record.row, parse(command.email), command))
        except Rejected as no:
            failures.append(_failure(record.row, command.email, no))
    return rows, failures


def _failure(row: int, email: str, no: Rejected) -> Failure:
    text = no.errors[0].message if no.errors else no.message
    return Failure(place=row, email=email, error=text)


def _reason(broken: InvalidCsv | None, counts: JobCounts) -> str | None:
    if broken:
        return str(broken)
    done = counts.created + counts.changed + counts.unchanged + counts.failed
    return f"The file has more than {MAX_ROWS} rows" if done > MAX_ROWS else None


def _records_of(job: Job, spec: ImportStarted) -> RecordReader:
    row, _, at = job.cursor.partition(":")
    return RecordReader(spec.delimiter, row=int(row or 0), offset=int(at or 0))


def _cursor(records: RecordReader, found: Sequence[Record]) -> str:
    """The last row that is done, and where the next begins."""
    return f"{found[-1].row}:{found[-1].end}" if found else f"{records.row}:{records.offset}"
