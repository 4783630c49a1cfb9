"""Queries about jobs."""

from collections.abc import Mapping
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.jobs import (
    BulkResult,
    BulkStarted,
    BulkView,
    ContactError,
    GetBulk,
    GetImport,
    ImportResult,
    ImportView,
    JobKind,
    RowError,
)
from services.contacts.jobs import failures
from services.contacts.jobs.errors import job_not_found
from services.contacts.jobs.job import ENDED, Job
from services.contacts.jobs.read_models import contact_job
from services.contacts.jobs.read_models.contact_job import JobRow


async def get_import(conn: Connection, project: UUID, query: GetImport) -> ImportView:
    row = await _row(conn, project, query.job_id, "import")
    job = row.job
    return ImportView(
        id=job.id,
        state=job.state,
        progress=_progress(job),
        failed_reason=row.reason,
        result=await _import_result(conn, job) if job.state in ENDED else None,
    )


async def get_bulk(conn: Connection, project: UUID, query: GetBulk) -> BulkView:
    row = await _row(conn, project, query.job_id, "bulk")
    job = row.job
    return BulkView(
        id=job.id,
        state=job.state,
        progress=_progress(job),
        failed_reason=row.reason,
        result=await _bulk_result(conn, job) if job.state in ENDED else None,
    )


async def _row(conn: Connection, project: UUID, job_id: UUID, kind: JobKind) -> JobRow:
    row = await contact_job.find(conn, project, job_id)
    if row is None or row.job.public_kind != kind:
        raise job_not_found(kind)
    return row


async def _import_result(conn: Connection, job: Job) -> ImportResult:
    counts, failed = job.counts, await failures.load(conn, job)
    updated = counts.changed + counts.unchanged
    return ImportResult(
        total_rows=job.total,
        success_count=counts.created + updated,
        created_count=counts.created,
        updated_count=updated,
        unchanged_count=counts.unchanged,
        failure_count=counts.failed,
        errors=[RowError(row=each.place, email=each.email, error=each.error) for each in failed],
    )


async def _bulk_result(conn: Connection, job: Job) -> BulkResult:
    counts, failed = job.counts, await failures.load(conn, job)
    return BulkResult(
        operation=job.spec.operation if isinstance(job.spec, BulkStarted) else "delete-field",
        total_requested=job.total,
        success_count=counts.changed,
        unchanged_count=counts.unchanged,
        failure_count=counts.failed,
        errors=[ContactError(contact_id=each.contact_id, email=each.email, error=each.error) for each in failed],
    )


def _progress(job: Job) -> int:
    """Return the progress in percent; 100 only for a completed job."""
    if job.state == "completed":
        return 100
    done = job.counts.created + job.counts.changed + job.counts.unchanged + job.counts.failed
    return min(99, 100 * done // job.total) if job.total else 0


QUERIES: Mapping[type[Query], QueryHandler] = {GetImport: get_import, GetBulk: get_bulk}
