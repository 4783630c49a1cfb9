"""The files being imported: stored in chunks, read in pages, and deleted when the import ends."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from libs.kernel.csv_records import InvalidCsv, Record, RecordReader
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.jobs import CHUNK_BYTES

READ_BYTES = 64 * 1024

STORE = """
insert into import_chunk (project, import_id, number, data)
values ($1, $2, $3, $4)
on conflict (project, import_id, number) do update set stored_at = clock_timestamp()
where import_chunk.data = excluded.data
returning number
"""

READ = """
select substring(data from $4 for $5) from import_chunk where project = $1 and import_id = $2 and number = $3
"""

COMPLETE = """
select count(*) = $3 and coalesce(sum(octet_length(data)), 0) = $4
    and bool_and(octet_length(data) = $5 or number = $3 - 1) and min(number) = 0
from import_chunk where project = $1 and import_id = $2
"""

DELETE = "delete from import_chunk where project = $1 and import_id = $2"

# Chunks of uploads that were abandoned or whose job was cancelled.
DELETE_OLD = """
delete from import_chunk where (project, import_id, number) in (
    select project, import_id, number from import_chunk
    where stored_at < clock_timestamp() - make_interval(hours => $1) and not exists (
        select from contact_job
        where contact_job.project = import_chunk.project and id = import_id and ended_at is null)
    limit $2
)
"""
ABANDONED_HOURS = 1
DELETED_CHUNKS = 256


async def store(conn: Connection, project: UUID, import_id: UUID, number: int, data: bytes) -> bool:
    """Store a chunk. Return False if a different one is stored under its number."""
    return await conn.fetchval(STORE, project, import_id, number, data) is not None


async def is_complete(conn: Connection, project: UUID, import_id: UUID, chunks: int, size: int) -> bool:
    """Return whether all chunks of the file are stored."""
    return bool(await conn.fetchval(COMPLETE, project, import_id, chunks, size, CHUNK_BYTES))


async def load_header(conn: Connection, project: UUID, import_id: UUID, size: int) -> tuple[str, Record | None]:
    """Return the delimiter and the row of column names. Raise InvalidCsv."""
    reader = RecordReader()
    async for record in _read(conn, project, import_id, reader, size):
        return reader.delimiter or ",", record
    return ",", None


async def load_page(
    conn: Connection, project: UUID, import_id: UUID, reader: RecordReader, size: int, limit: int
) -> tuple[Sequence[Record], InvalidCsv | None]:
    """Return the next rows, at most `limit`, and the error at which the file cannot be read further."""
    found: list[Record] = []
    try:
        async for record in _read(conn, project, import_id, reader, size):
            found.append(record)
            if len(found) == limit:
                break
    except InvalidCsv as error:
        return found, error
    return found, None


async def delete(conn: Connection, project: UUID, import_id: UUID) -> None:
    await conn.execute(DELETE, project, import_id)


async def delete_old(conn: Connection) -> None:
    await conn.execute(DELETE_OLD, ABANDONED_HOURS, DELETED_CHUNKS)


async def _read(
    conn: Connection, project: UUID, import_id: UUID, reader: RecordReader, size: int
) -> AsyncIterator[Record]:
    offset = reader.offset
    while offset < size:
        number, start = divmod(offset, CHUNK_BYTES)
        piece = await conn.fetchval(READ, project, import_id, number, start + 1, READ_BYTES)
        if not piece:
            raise InvalidCsv(reader.row + 1, "is missing from the stored file", "lost")
        offset += len(piece)
        for record in reader.feed(piece):
            yield record
    for record in reader.finish():
        yield record
