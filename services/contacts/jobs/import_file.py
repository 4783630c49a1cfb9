"""The files that are being imported: stored in chunks, read in pages, forgotten when they are in."""

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

FORGET = "delete from import_chunk where project = $1 and import_id = $2"

# Of an upload that was given up, or whose job was cancelled.
FORGET_OLD = """
delete from import_chunk where (project, import_id, number) in (
    select project, import_id, number from import_chunk
    where stored_at < clock_timestamp() - make_interval(hours => $1) and not exists (
        select from contact_job
        where contact_job.project = import_chunk.project and id = import_id and ended_at is null)
    limit $2
)
"""
GIVEN_UP_HOURS = 1
AT_ONCE = 256


async def store(conn: Connection, project: UUID, import_id: UUID, number: int, data: bytes) -> bool:
    """Keep a chunk. False if another is stored in its place."""
    return await conn.fetchval(STORE, project, import_id, number, data) is not None


async def is_complete(conn: Connection, project: UUID, import_id: UUID, chunks: int, size: int) -> bool:
    """Whether all of the file is here."""
    return bool(await conn.fetchval(COMPLETE, project, import_id, chunks, size, CHUNK_BYTES))


async def first_row(conn: Connection, project: UUID, import_id: UUID, size: int) -> tuple[str, Record | None]:
    """The delimiter, and the row that names the columns. Raises BrokenCsv."""
    records = RecordReader()
    async for record in _records(conn, project, import_id, records, size):
        return records.delimiter or ",", record
    return ",", None


async def page(
    conn: Connection, project: UUID, import_id: UUID, records: RecordReader, size: int, most: int
) -> tuple[Sequence[Record], InvalidCsv | None]:
    """The next rows, at most so many; fewer if the file ends there, or is broken there."""
    found: list[Record] = []
    try:
        async for record in _records(conn, project, import_id, records, size):
            found.append(record)
            if len(found) == most:
                break
    except InvalidCsv as broken:
        return found, broken
    return found, None


async def forget(conn: Connection, project: UUID, import_id: UUID) -> None:
    await conn.execute(FORGET, project, import_id)


async def forget_old(conn: Connection) -> None:
    await conn.execute(FORGET_OLD, GIVEN_UP_HOURS, AT_ONCE)


async def _records(
    conn: Connection, project: UUID, import_id: UUID, records: RecordReader, size: int
) -> AsyncIterator[Record]:
    at = records.offset
    while at < size:
        number, begin = divmod(at, CHUNK_BYTES)
        piece = await conn.fetchval(READ, project, import_id, number, begin + 1, READ_BYTES)
        if not piece:
            raise InvalidCsv(records.row + 1, "is not in the file any more", "lost")
        at += len(piece)
        for record in records.feed(piece):
            yield record
    for record in records.finish():
        yield record
