"""Importing contacts from files."""

from hashlib import sha256
from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, QueryParameter

from libs.kernel.csv_records import InvalidCsv, RecordReader
from libs.runtime.messaging.bus import Unavailable
from libs.schemas.contacts.jobs import (
    CHUNK_BYTES,
    MAX_FILE_BYTES,
    MAX_ROWS,
    CancelJob,
    GetImport,
    ImportView,
    JobAccepted,
    JobStopped,
    StartImport,
    StoreImportChunk,
)
from services.gateway.bus.bus import CommandPending
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError, invalid_field
from services.gateway.http.fields import parse_id
from services.gateway.http.idempotency import STREAMED_BODY
from services.gateway.http.multipart_upload import file_in
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, job_responses, query_responses
from services.gateway.http.work_slots import slots_of

TAGS = ["Imports"]
KIND = "Import job"
FIELD = "file"


@post("/contacts/import", status_code=202, responses=job_responses(JobAccepted), tags=TAGS, opt={STREAMED_BODY: True})
async def import_contacts(
    request: ApiRequest,
    again: Annotated[bool, QueryParameter(description="Import the file even if it was imported before")] = False,
) -> RawResponse:
    """Import a CSV file

    A form (`multipart/form-data`) with the field `file`: UTF-8, separated by `,`, `;` or tabs, at most 100 MB and
    1,000,000 rows. The first row names the columns. `email` is required and `subscribed` is optional; all other columns
    become data, with `true`, `yes`, `false`, `no` as booleans and numbers as numbers. A malformed file is rejected as a
    whole. The same file again within a day returns the job that imported it.
    """
    async with slots_of(request.app).uploads.hold(request.project):
        upload = Upload(request)
        async for piece in file_in(request, FIELD, MAX_FILE_BYTES):
            await upload.add(piece)
        return RawResponse(await upload.start(again), 202)


@get("/contacts/import/{job_id:str}", responses=query_responses(ImportView), tags=TAGS)
async def get_import(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get an import

    `result` is present once the job has ended, with up to 1,000 of the rows that could not be imported.
    """
    return RawResponse(await request.query(GetImport(job_id=parse_id(job_id, KIND))))


@post("/contacts/import/{job_id:str}/cancel", status_code=200, responses=command_responses(JobStopped, 200), tags=TAGS)
async def cancel_import(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel an import

    Contacts that were already imported stay.
    """
    return RawResponse(await request.execute(CancelJob(job_id=parse_id(job_id, KIND), kind="import")))


class Upload:
    """A file that is read as it arrives and sent to the contacts service in chunks, each as soon as it is full.

    The ids of the chunks' commands are derived from their content, so a request that is repeated under its
    Idempotency-Key continues with what is stored.
    """

    def __init__(self, request: ApiRequest) -> None:
        self._request = request
        self._id = request.context.command_id
        self._records = RecordReader()
        self._rows = 0
        self._digest = sha256()
        self._size = 0
        self._buffer = bytearray()
        self._chunks = 0

    async def add(self, piece: bytes) -> None:
        """Add the next piece of the file. Raises ApiError if it is malformed."""
        self._check(piece)
        self._digest.update(piece)
        self._size += len(piece)
        self._buffer += piece
        while len(self._buffer) >= CHUNK_BYTES:
            await self._store(CHUNK_BYTES)

    async def start(self, again: bool) -> bytes:
        """Start the import of the whole file and return its job."""
        self._check(None)
        if self._buffer:
            await self._store(len(self._buffer))
        command = StartImport(
            import_id=self._id,
            chunks=self._chunks,
            size=self._size,
            rows=max(0, self._rows - 1),
            digest=self._digest.hexdigest(),
            again=again,
        )
        return await self._request.execute(command)

    def _check(self, piece: bytes | None) -> None:
        """Count the rows of the piece, or of the rest after the last one. Raises ApiError if they are malformed."""
        try:
            for record in self._records.finish() if piece is None else self._records.feed(piece):
                self._rows += any(record.cells)
        except InvalidCsv as error:
            raise invalid_field(FIELD, str(error), error.code) from error
        if self._rows > MAX_ROWS + 1:
            raise ApiError(413, "PAYLOAD_TOO_LARGE", f"The file must not have more than {MAX_ROWS:,} rows")

    async def _store(self, size: int) -> None:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        chunk = StoreImportChunk(import_id=self._id, number=self._chunks, data=data)
        try:
            await self._request.execute(chunk, f"{self._chunks}:{sha256(data).hexdigest()}")
        except CommandPending as pending:
            raise Unavailable("the file was not stored in time") from pending
        self._chunks += 1
