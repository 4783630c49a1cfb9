"""A job on many contacts: what it takes to start one, and that it ends once. Pure."""

from typing import TypeAlias
from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected, invalid
from libs.schemas.contacts.events import EventDeletionStarted
from libs.schemas.contacts.fields import FieldRemovalStarted
from libs.schemas.contacts.jobs import (
    MAX_EXCLUDED,
    MAX_FILE_BYTES,
    MAX_IDS,
    MAX_ROWS,
    BulkStarted,
    CancelJob,
    ContactSearch,
    ContactSelection,
    ImportStarted,
    JobCounts,
    JobEnded,
    JobKind,
    JobState,
    StartBulk,
    StartImport,
)
from services.contacts.jobs.import_row import columns_of, refused

Spec: TypeAlias = ImportStarted | BulkStarted | EventDeletionStarted | FieldRemovalStarted

MAX_ERRORS = 1000
MAX_SEARCHED = 255
ENDED = ("completed", "failed", "cancelled")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands. `spec` is the fact that started it."""

    project: UUID
    id: UUID
    kind: JobKind
    state: JobState
    version: int
    spec: Spec
    cursor: str
    total: int
    counts: JobCounts

    @property
    def shown_as(self) -> JobKind:
        """The kind of job that clients take it for."""
        return "bulk" if self.kind == "field-deletion" else self.kind

    @property
    def stream(self) -> str:
        return f"contact-job-{self.id}"


def start_import(command: StartImport, delimiter: str, header: list[str]) -> ImportStarted:
    """Raises Rejected for a file that is too large, empty, or whose columns cannot be used."""
    if command.size > MAX_FILE_BYTES or command.rows > MAX_ROWS:
        raise Rejected("PAYLOAD_TOO_LARGE", f"A file has at most {MAX_FILE_BYTES} bytes and {MAX_ROWS} rows")
    if not any(cell.strip() for cell in header):
        raise refused("CSV file is empty", "empty_file")
    columns_of(header)
    if not command.rows:
        raise refused("CSV file is empty", "empty_file")
    return ImportStarted(
        job_id=command.import_id,
        size=command.size,
        rows=command.rows,
        digest=command.digest,
        delimiter=delimiter,
        columns=header,
    )


def start_bulk(command: StartBulk) -> BulkStarted:
    """Raises Rejected for a selection that is too large. Contacts that are named twice are dealt with once."""
    selection = command.selection
    match selection:
        case ContactSelection(contact_ids=ids):
            if not 1 <= len(ids) <= MAX_IDS:
                raise invalid("contactIds", f"Must contain 1 to {MAX_IDS} ids", "too_big" if ids else "too_small")
            selection = ContactSelection(contact_ids=list(dict.fromkeys(ids)))
        case ContactSearch(filter=wanted, exclude_ids=excluded):
            if len(excluded) > MAX_EXCLUDED:
                raise invalid("excludeIds", f"Must contain at most {MAX_EXCLUDED} ids", "too_big")
            if len(wanted.search or "") > MAX_SEARCHED or "\0" in (wanted.search or ""):
                raise invalid("filter.search", f"Must be text of at most {MAX_SEARCHED} characters", "too_big")
    return BulkStarted(job_id=command.job_id, operation=command.operation, selection=selection)


def cancel(command: CancelJob, job: Job | None) -> list[JobEnded]:
    """A job that was cancelled stays so. Raises Rejected if there is no such job, or it has come to another end."""
    if job is None or job.shown_as != command.kind:
        raise job_not_found(command.kind)
    if job.state == "cancelled":
        return []
    if job.state in ENDED:
        raise Rejected("JOB_ENDED", f"The job is {job.state} already")
    return [JobEnded(job_id=job.id, state="cancelled")]


def job_not_found(kind: JobKind) -> Rejected:
    if kind == "import":
        return Rejected("IMPORT_JOB_NOT_FOUND", "Import job not found")
    return Rejected("BULK_JOB_NOT_FOUND", "Bulk action job not found")
