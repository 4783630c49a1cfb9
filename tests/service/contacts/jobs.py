"""Starts jobs on a project's contacts and follows them, as the gateway and its clients do."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from nats.aio.client import Client

from libs.runtime.clock import uuid7
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually, tell
from libs.schemas.contacts.jobs import (
    CHUNK_BYTES,
    BulkOperation,
    BulkView,
    CancelJob,
    GetBulk,
    GetImport,
    ImportView,
    JobAccepted,
    JobStopped,
    Selection,
    StartBulk,
    StartImport,
    StoredChunk,
    StoreImportChunk,
)

ENDED = ("completed", "failed", "cancelled")


class Jobs:
    def __init__(self, runtime: Runtime, project: UUID) -> None:
        self.runtime = runtime
        self.project = project

    async def start_import(self, text: str, **options: Any) -> JobAccepted:
        return await start_import(self.runtime.client, self.project, text.encode(), **options)

    async def imported(self, text: str, **options: Any) -> ImportView:
        """Import the file and return the ended import."""
        return await self.import_ended((await self.start_import(text, **options)).job_id)

    async def import_ended(self, job_id: UUID) -> ImportView:
        async def ended() -> ImportView | None:
            view = await self.get_import(job_id)
            return view if view.state in ENDED else None

        return await eventually(ended, within=60)

    async def get_import(self, job_id: UUID) -> ImportView:
        return await self.runtime.ask(self.project, GetImport(job_id=job_id), ImportView)

    async def start_bulk(self, operation: BulkOperation, selection: Selection) -> UUID:
        command = StartBulk(job_id=uuid7(), operation=operation, selection=selection)
        return (await tell(self.runtime.client, self.project, command, JobAccepted)).job_id

    async def done(self, operation: BulkOperation, selection: Selection) -> BulkView:
        """Run a bulk operation and return the ended job."""
        job_id = await self.start_bulk(operation, selection)

        async def ended() -> BulkView | None:
            view = await self.runtime.ask(self.project, GetBulk(job_id=job_id), BulkView)
            return view if view.state in ENDED else None

        return await eventually(ended, within=60)

    async def cancel(self, job_id: UUID, kind: Any = "import") -> JobStopped:
        return await tell(self.runtime.client, self.project, CancelJob(job_id=job_id, kind=kind), JobStopped)


async def start_import(
    client: Client, project: UUID, raw: bytes, *, again: bool = False, import_id: UUID | None = None
) -> JobAccepted:
    """Upload the file in chunks, as the gateway does, and start its import."""
    import_id = import_id or uuid7()
    pieces = [raw[start : start + CHUNK_BYTES] for start in range(0, len(raw), CHUNK_BYTES)]
    for number, piece in enumerate(pieces):
        await tell(client, project, StoreImportChunk(import_id=import_id, number=number, data=piece), StoredChunk)
    command = StartImport(
        import_id=import_id,
        chunks=len(pieces),
        size=len(raw),
        rows=max(0, sum(1 for line in raw.splitlines() if line) - 1),
        digest=sha256(raw).hexdigest(),
        again=again,
    )
    return await tell(client, project, command, JobAccepted)
