"""Jobs on many contacts: importing a file, changing or deleting contacts in bulk, and exporting them.

A job is a stream of its own in the log of contacts: it starts, progresses page by page, and ends. Its changes of
contacts are ordinary contact events, appended in the transaction of the page.
"""

from typing import ClassVar, Literal, TypeAlias
from uuid import UUID

from libs.schemas.base import Command, Event, Query, View
from libs.schemas.contacts.contacts import ContactView

JobKind = Literal["import", "bulk", "event-deletion", "field-deletion"]
JobState = Literal["waiting", "active", "completed", "failed", "cancelled"]
BulkOperation = Literal["subscribe", "unsubscribe", "delete"]

CHUNK_BYTES = 512 * 1024
"""The size of a chunk of a file, sent in one message. In JSON it is a third larger, and the bus takes 1 MiB."""

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_ROWS = 1_000_000
"""Not counting the row of column names."""

MAX_IDS = 1000
MAX_EXCLUDED = 10_000


# --- commands --------------------------------------------------------------------------------------------------------


class JobCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class StoreImportChunk(JobCommand, tag="store-import-chunk", frozen=True, kw_only=True):
    """Store a chunk of a file until its import starts. Chunks count from 0. Reply: `StoredChunk`."""

    import_id: UUID
    number: int
    data: bytes


class StartImport(JobCommand, tag="start-import", frozen=True, kw_only=True):
    """Import the file that the chunks make up. Reply: `JobAccepted`.

    The same file (`digest` is its SHA-256 in hex) is not imported twice: while a job imports it, and for a day after it
    completed, the reply names that job, unless `again` asks for a new one.
    """

    import_id: UUID
    chunks: int
    size: int
    rows: int
    digest: str
    again: bool = False


class StartBulk(JobCommand, tag="start-bulk", frozen=True, kw_only=True):
    """Apply an operation to many contacts. Reply: `JobAccepted`."""

    job_id: UUID
    operation: BulkOperation
    selection: "Selection"


class CancelJob(JobCommand, tag="cancel-job", frozen=True, kw_only=True):
    """Stop the job after its current page; changes that were made stay. Reply: `JobStopped`."""

    job_id: UUID
    kind: JobKind


class ContactSelection(View, tag="ids", tag_field="mode", frozen=True, kw_only=True):
    """The contacts with these ids."""

    contact_ids: list[UUID]


class ContactFilter(View, frozen=True, kw_only=True):
    """Contacts whose address contains `search` and whose subscription is `subscribed`."""

    search: str | None = None
    subscribed: bool | None = None


class ContactSearch(View, tag="query", tag_field="mode", frozen=True, kw_only=True):
    """All contacts that existed when the job started and match when it reaches them, except `exclude_ids`."""

    filter: ContactFilter = ContactFilter()
    exclude_ids: list[UUID] = []


Selection: TypeAlias = ContactSelection | ContactSearch


# --- events ----------------------------------------------------------------------------------------------------------


class JobEvent(Event, frozen=True, kw_only=True):
    """An event of a job: one stream per job."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "contact-job-{job_id}"
    job_id: UUID


class ImportStarted(JobEvent, tag="import.started", frozen=True, kw_only=True):
    """The import of a stored file starts; `columns` are the names in its first row."""

    size: int
    rows: int
    digest: str
    delimiter: str
    columns: list[str]


class BulkStarted(JobEvent, tag="bulk.started", frozen=True, kw_only=True):
    operation: BulkOperation
    selection: Selection


class JobProgressed(JobEvent, tag="contact-job.progressed", frozen=True, kw_only=True):
    """A page is done. `cursor` is the start of the next one; `counts` and `total` are those of the whole job so far."""

    cursor: str
    total: int
    counts: "JobCounts"


class JobEnded(JobEvent, tag="contact-job.ended", frozen=True, kw_only=True):
    """The job has ended; `reason` says why it failed."""

    state: Literal["completed", "failed", "cancelled"]
    reason: str | None = None


class JobCounts(View, frozen=True, kw_only=True):
    """The results of the rows or contacts that a job has processed; each is counted once."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    failed: int = 0


# --- queries and views -----------------------------------------------------------------------------------------------


class JobQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class GetImport(JobQuery, tag="get-import", frozen=True, kw_only=True):
    """Reply: `ImportView`."""

    job_id: UUID


class GetBulk(JobQuery, tag="get-bulk", frozen=True, kw_only=True):
    """Get a bulk operation or the deletion of a field. Reply: `BulkView`."""

    job_id: UUID


class ExportContacts(JobQuery, tag="export-contacts", frozen=True, kw_only=True):
    """Get the contacts after `after` in the order of their ids, of a segment or all. Reply: `ExportPage`."""

    segment_id: UUID | None = None
    after: UUID = UUID(int=0)


class ListDataKeys(JobQuery, tag="list-data-keys", frozen=True, kw_only=True):
    """List the keys in the data of the contacts after `after`. Reply: `DataKeys`."""

    after: UUID = UUID(int=0)


class ExportPage(View, frozen=True, kw_only=True):
    """`after` is the start of the next page; null on the last one. A page is limited to what the bus takes."""

    data: list[ContactView]
    after: UUID | None


class DataKeys(View, frozen=True, kw_only=True):
    keys: list[str]
    after: UUID | None


class StoredChunk(View, frozen=True, kw_only=True):
    number: int


class JobAccepted(View, frozen=True, kw_only=True):
    message: str
    job_id: UUID


class JobStopped(View, frozen=True, kw_only=True):
    id: UUID
    state: JobState


class RowError(View, frozen=True, kw_only=True):
    """`row` is the number of the row in the file, where the column names are row 1."""

    row: int
    email: str
    error: str


class ContactError(View, frozen=True, kw_only=True):
    contact_id: str
    email: str
    error: str


class ImportResult(View, frozen=True, kw_only=True):
    """`successCount` is the sum of created and updated contacts; `unchangedCount` of the latter did not change. At most
    1,000 errors are stored."""

    total_rows: int
    success_count: int
    created_count: int
    updated_count: int
    unchanged_count: int
    failure_count: int
    errors: list[RowError]


class BulkResult(View, frozen=True, kw_only=True):
    """`unchangedCount` contacts were already as wanted. At most 1,000 errors are stored."""

    operation: BulkOperation | Literal["delete-field"]
    total_requested: int
    success_count: int
    unchanged_count: int
    failure_count: int
    errors: list[ContactError]


class JobView(View, frozen=True, kw_only=True):
    """`progress` is in percent. A job has a result once it has ended, however it ended."""

    id: UUID
    state: JobState
    progress: int
    failed_reason: str | None


class ImportView(JobView, frozen=True, kw_only=True):
    result: ImportResult | None


class BulkView(JobView, frozen=True, kw_only=True):
    result: BulkResult | None
