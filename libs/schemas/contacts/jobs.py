"""Work on many contacts at once: importing a file, changing or deleting contacts in bulk, and exporting them.

A job is a stream of its own in the log of contacts: it starts, progresses page by page, and ends. What it does to
contacts are ordinary contact events, in the transaction of the page that did them.
"""

from typing import ClassVar, Literal, TypeAlias
from uuid import UUID

from libs.schemas.base import Command, Event, Query, View
from libs.schemas.contacts.contacts import ContactView

JobKind = Literal["import", "bulk", "event-deletion", "field-deletion"]
JobState = Literal["waiting", "active", "completed", "failed", "cancelled"]
BulkOperation = Literal["subscribe", "unsubscribe", "delete"]

CHUNK_BYTES = 512 * 1024
"""Of a file, in one message. In JSON it is a third larger, and the bus takes 1 MiB."""

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_ROWS = 1_000_000
"""Below the row of the column names."""

MAX_IDS = 1000
MAX_EXCLUDED = 10_000


# --- commands --------------------------------------------------------------------------------------------------------


class JobCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class StoreImportChunk(JobCommand, tag="store-import-chunk", frozen=True, kw_only=True):
    """Keep a piece of a file until its import starts. Chunks count from 0. Answers `StoredChunk`."""

    import_id: UUID
    number: int
    data: bytes


class StartImport(JobCommand, tag="start-import", frozen=True, kw_only=True):
    """Import the file that the chunks make. Answers `JobAccepted`.

    The same file (`digest` is its SHA-256 in hex) is not imported twice: while a job imports it, and for a day after
    one has, that job is the answer, unless `again` asks for a new one.
    """

    import_id: UUID
    chunks: int
    size: int
    rows: int
    digest: str
    again: bool = False


class StartBulk(JobCommand, tag="start-bulk", frozen=True, kw_only=True):
    """Do one thing to many contacts. Answers `JobAccepted`."""

    job_id: UUID
    operation: BulkOperation
    selection: "Selection"


class CancelJob(JobCommand, tag="cancel-job", frozen=True, kw_only=True):
    """Stop after the page that is being worked on; what is done stays done. Answers `JobStopped`."""

    job_id: UUID
    kind: JobKind


class ContactSelection(View, tag="ids", tag_field="mode", frozen=True, kw_only=True):
    """These contacts."""

    contact_ids: list[UUID]


class ContactFilter(View, frozen=True, kw_only=True):
    """Contacts whose address contains `search`, and who are `subscribed` or not."""

    search: str | None = None
    subscribed: bool | None = None


class ContactSearch(View, tag="query", tag_field="mode", frozen=True, kw_only=True):
    """Everyone who matches when the job comes to them and existed when it started, but for some."""

    filter: ContactFilter = ContactFilter()
    exclude_ids: list[UUID] = []


Selection: TypeAlias = ContactSelection | ContactSearch


# --- events ----------------------------------------------------------------------------------------------------------


class JobEvent(Event, frozen=True, kw_only=True):
    """A fact about a job: one stream each."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "contact-job-{job_id}"
    job_id: UUID


class ImportStarted(JobEvent, tag="import.started", frozen=True, kw_only=True):
    """The file is stored, and its first row names `columns`."""

    size: int
    rows: int
    digest: str
    delimiter: str
    columns: list[str]


class BulkStarted(JobEvent, tag="bulk.started", frozen=True, kw_only=True):
    operation: BulkOperation
    selection: Selection


class JobProgressed(JobEvent, tag="contact-job.progressed", frozen=True, kw_only=True):
    """A page is done. `cursor` is where the next begins; `counts` and `total` are of the whole job so far."""

    cursor: str
    total: int
    counts: "JobCounts"


class JobEnded(JobEvent, tag="contact-job.ended", frozen=True, kw_only=True):
    """`reason` says why it failed."""

    state: Literal["completed", "failed", "cancelled"]
    reason: str | None = None


class JobCounts(View, frozen=True, kw_only=True):
    """What became of the rows or contacts that a job has dealt with: each is counted in one of these."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    failed: int = 0


# --- queries and answers ---------------------------------------------------------------------------------------------


class JobQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class GetImport(JobQuery, tag="get-import", frozen=True, kw_only=True):
    """Answers `ImportView`."""

    job_id: UUID


class GetBulk(JobQuery, tag="get-bulk", frozen=True, kw_only=True):
    """Of a bulk operation, or of the deletion of a field. Answers `BulkView`."""

    job_id: UUID


class ExportContacts(JobQuery, tag="export-contacts", frozen=True, kw_only=True):
    """The contacts after `after`, in order of their ids; only members of the segment, if one is named. Answers
    `ExportPage`."""

    segment_id: UUID | None = None
    after: UUID = UUID(int=0)


class ListDataKeys(JobQuery, tag="list-data-keys", frozen=True, kw_only=True):
    """The keys that the data of the contacts after `after` have. Answers `DataKeys`."""

    after: UUID = UUID(int=0)


class ExportPage(View, frozen=True, kw_only=True):
    """`after` is where the next page begins; none if this is the last. A page weighs what the bus takes."""

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
    """`row` is the row's number in the file; the one of the column names is 1."""

    row: int
    email: str
    error: str


class ContactError(View, frozen=True, kw_only=True):
    contact_id: str
    email: str
    error: str


class ImportResult(View, frozen=True, kw_only=True):
    """`successCount` is created and updated together; of those updated, nothing changed for `unchangedCount`. At most
    1,000 errors are kept."""

    total_rows: int
    success_count: int
    created_count: int
    updated_count: int
    unchanged_count: int
    failure_count: int
    errors: list[RowError]


class BulkResult(View, frozen=True, kw_only=True):
    """`unchangedCount` contacts were as wanted already. At most 1,000 errors are kept."""

    operation: BulkOperation | Literal["delete-field"]
    total_requested: int
    success_count: int
    unchanged_count: int
    failure_count: int
    errors: list[ContactError]


class JobView(View, frozen=True, kw_only=True):
    """`progress` is in percent. The result comes when the job has ended, however it ended."""

    id: UUID
    state: JobState
    progress: int
    failed_reason: str | None


class ImportView(JobView, frozen=True, kw_only=True):
    result: ImportResult | None


class BulkView(JobView, frozen=True, kw_only=True):
    result: BulkResult | None
