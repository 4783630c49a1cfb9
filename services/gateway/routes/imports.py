"""Importing contacts from files."""

import asyncio
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
from services.gateway.http.errors import ApiError, invalid_field, too_large
from services.gateway.http.fields import parse_id
from services.gateway.http.idempotency import STREAMED_BODY
from services.gateway.http.multipart_upload import file_in
from services.gateway.http.raw_response import (
    RawResponse,
    command_responses,
    job_responses,
    query_responses,
)

TAGS = ["Imports"]
WHAT = "Import job"
FIELD = "file"

AT_ONCE = 8
"""Uploads that a process takes at the same time."""

_room = asyncio.Semaphore(AT_ONCE)


@post("/contacts/import", status_code=202, responses=job_responses(JobAccepted), tags=TAGS, opt={STREAMED_BODY: True})
async def import_contacts(
    request: ApiRequest,
    again: Annotated[bool, QueryParameter(description="Import the file although it was imported already")] = False,
) -> RawResponse:
    """Import a CSV file

    A form (`multipart/form-data`) with the field `file`: UTF-8, with `,`, `;` or tabs, at most 100 MB and 1,000,000
    rows. The first row names the columns: `email` has to be one; `subscribed` is understood; the others become data,
    `true`, `yes`, `false`, `no` and numbers as such. A broken file is refused as a whole. The same file again, within
    a day, answers with the job that imported it.
    """
    if _room.locked():
        raise ApiError(503, "SERVICE_UNAVAILABLE", "Too many files are being uploaded", headers={"Retry-After": "5"})
    async with _room:
        upload = Upload(request)
        async for piece in file_in(request, FIELD, MAX_FILE_BYTES):
            await upload.take(piece)
        return RawResponse(await upload.start(again), 202)


@get("/contacts/import/{job_id:str}", responses=query_responses(ImportView), tags=TAGS)
async def get_import(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get an import

    `result` comes when the job has ended, with up to 1,000 of the rows that could not be imported.
    """
    return RawResponse(await request.query(GetImport(job_id=parse_id(job_id, WHAT))))


@post("/contacts/import/{job_id:str}/cancel", status_code=200, responses=command_responses(JobStopped, 200), tags=TAGS)
async def cancel_import(job_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel an import

    What is imported already stays.
    """
    return RawResponse(await request.execute(CancelJob(job_id=parse_id(job_id, WHAT), kind="import")))


class Upload:
    """A file on its way to the contacts service: read as it comes, and handed over in chunks, each once it is full.

    The ids of the chunks' commands follow from what they hold, so that a request that is sent again under its
    Idempotency-Key goes on with what is stored.
    """

    def __init__(self, call: ApiRequest) -> None:
        self._call = call
        self._id = call.context.command_id
        self._records = RecordReader()
        self._rows = 0
        self._digest = sha256()
        self._size = 0
        self._waiting = bytearray()
        self._chunks = 0

    async def take(self, piece: bytes) -> None:
        """Raises Problem for what no import could read."""
        self._check(piece)
        self._digest.update(piece)
        self._size += len(piece)
        self._waiting += piece
        while len(self._waiting) >= CHUNK_BYTES:
            await self._store(CHUNK_BYTES)

    async def start(self, again: bool) -> bytes:
        """Have what was taken imported."""
        self._check(None)
        if self._waiting:
            await self._store(len(self._waiting))
        command = StartImport(
            import_id=self._id,
            chunks=self._chunks,
            size=self._size,
            rows=max(0, self._rows - 1),
            digest=self._digest.hexdigest(),
            again=again,
        )
        return await self._call.execute(command)

    def _check(self, piece: bytes | None) -> None:
        """Read the rows of the piece, or of what is left after the last."""
        try:
            for record in self._records.finish() if piece is None else self._records.feed(piece):
                self._rows += any(record.cells)
        except InvalidCsv as broken:
            raise invalid_field(FIELD, str(broken), broken.code) from broken
        if self._rows > MAX_ROWS + 1:
            raise too_large()

    async def _store(self, size: int) -> None:
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        chunk = StoreImportChunk(import_id=self._id, number=self._chunks, data=data)
        try:
            await self._call.execute(chunk, f"{self._chunks}:{sha256(data).hexdigest()}")
        except CommandPending as late:
            raise Unavailable("the file was not stored in time") from late
        self._chunks += 1


ROUTES = [import_contacts, get_import, cancel_import]
