"""The decider of jobs on many contacts: what it takes to start one, and that it ends once. Pure."""

from typing import TypeAlias
from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected, invalid
from libs.schemas.contacts.events import EventDeletionStarted
from libs.schemas.contacts.fields import FieldDeletionJobStarted
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
from services.contacts.jobs.errors import invalid_file, job_not_found
from services.contacts.jobs.import_row import parse_columns

JobSpec: TypeAlias = ImportStarted | BulkStarted | EventDeletionStarted | FieldDeletionJobStarted

MAX_SEARCH_LENGTH = 255
ENDED = ("completed", "failed", "cancelled")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job in its current state. `spec` is the event that started it."""

    project: UUID
    id: UUID
    kind: JobKind
    state: JobState
    version: int
    spec: JobSpec
    cursor: str
    total: int
    counts: JobCounts

    @property
    def public_kind(self) -> JobKind:
        """Return the kind under which clients see the job: the deletion of a field is a bulk job."""
        return "bulk" if self.kind == "field-deletion" else self.kind

    @property
    def stream(self) -> str:
        return f"contact-job-{self.id}"


def start_import(command: StartImport, delimiter: str, header: list[str]) -> ImportStarted:
    """Return the event that starts the import. Raise Rejected for a file that is too large, is empty, or has unusable
    columns."""
    if command.size > MAX_FILE_BYTES or command.rows > MAX_ROWS:
        raise Rejected("PAYLOAD_TOO_LARGE", f"A file must have at most {MAX_FILE_BYTES} bytes and {MAX_ROWS} rows")
    if not any(cell.strip() for cell in header):
        raise invalid_file("CSV file is empty", "empty_file")
    parse_columns(header)
    if not command.rows:
        raise invalid_file("CSV file is empty", "empty_file")
    return ImportStarted(
        job_id=command.import_id,
        size=command.size,
        rows=command.rows,
        digest=command.digest,
        delimiter=delimiter,
        columns=header,
    )


def start_bulk(command: StartBulk) -> BulkStarted:
    """Return the event that starts the operation, without repeated contacts. Raise Rejected for an empty or too large
    selection."""
    selection = command.selection
    match selection:
        case ContactSelection(contact_ids=ids):
            if not 1 <= len(ids) <= MAX_IDS:
                raise invalid("contactIds", f"Must contain 1 to {MAX_IDS} ids", "too_big" if ids else "too_small")
            selection = ContactSelection(contact_ids=list(dict.fromkeys(ids)))
        case ContactSearch(filter=criteria, exclude_ids=excluded):
            if len(excluded) > MAX_EXCLUDED:
                raise invalid("excludeIds", f"Must contain at most {MAX_EXCLUDED} ids", "too_big")
            if len(criteria.search or "") > MAX_SEARCH_LENGTH or "\0" in (criteria.search or ""):
                message = f"Must have at most {MAX_SEARCH_LENGTH} characters and no NUL character"
                raise invalid("filter.search", message, "too_big")
    return BulkStarted(job_id=command.job_id, operation=command.operation, selection=selection)


def cancel(command: CancelJob, job: Job | None) -> list[JobEnded]:
    """Return the end of the job; nothing if it is already cancelled. Raise Rejected if there is no such job, or if it
    has completed or failed."""
    if job is None or job.public_kind != command.kind:
        raise job_not_found(command.kind)
    if job.state == "cancelled":
        return []
    if job.state in ENDED:
        raise Rejected("JOB_ENDED", f"The job is already {job.state}")
    return [JobEnded(job_id=job.id, state="cancelled")]
