"""Rejections of commands and queries about jobs."""

from libs.kernel.rejection import Rejected, invalid
from libs.schemas.contacts.jobs import JobKind


def job_not_found(kind: JobKind) -> Rejected:
    if kind == "import":
        return Rejected("IMPORT_JOB_NOT_FOUND", "Import job not found")
    return Rejected("BULK_JOB_NOT_FOUND", "Bulk action job not found")


def invalid_file(message: str, code: str) -> Rejected:
    return invalid("file", message, code)
