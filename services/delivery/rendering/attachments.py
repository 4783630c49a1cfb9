"""The bytes of attachments: stored outside the log, in pieces that fit the bus, as long as a mail needs them.

A file is identified by its SHA-256, so the same file for a thousand mails is stored once. It is dropped an hour after
its last upload if no open mail refers to it.
"""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.content import Attachment, KeptPiece, StoreFilePiece
from services.delivery.rendering.mime import AttachedFile

KEEP = """
insert into file_piece (project, digest, number, data, kept_at)
select project, digest, number, data, $5
from unnest($1::uuid[], $2::text[], $3::int[], $4::bytea[]) as new (project, digest, number, data)
order by project, digest, number
on conflict (project, digest, number) do update set kept_at = excluded.kept_at
"""
# Locks the files that mails refer to, so that they are not dropped while the mails are being queued.
TOUCH = """
with wanted as materialized (
    select piece.project, piece.digest, piece.number
    from file_piece piece join unnest($1::uuid[], $2::text[]) as file (project, digest)
        on piece.project = file.project and piece.digest = file.digest
    order by piece.project, piece.digest, piece.number for update of piece
)
update file_piece set kept_at = $3
from wanted
where file_piece.project = wanted.project and file_piece.digest = wanted.digest
    and file_piece.number = wanted.number
returning file_piece.project, file_piece.digest, octet_length(file_piece.data) as size
"""
REFER = """
insert into email_file (email_id, project, digest)
select * from unnest($1::uuid[], $2::uuid[], $3::text[]) on conflict do nothing
"""
READ = """
select digest, string_agg(data, ''::bytea order by number) as content
from file_piece where project = $1 and digest = any($2::text[]) group by digest
"""
RELEASE = """
delete from email_file using email
where email.id = email_file.email_id and email.state in ('sent', 'failed', 'suppressed', 'cancelled')
"""
DROP = """
delete from file_piece where kept_at < clock_timestamp() - interval '1 hour' and not exists (
    select from email_file where email_file.project = file_piece.project and email_file.digest = file_piece.digest
)
"""

Key = tuple[UUID, str]
"""A project and the digest of a file."""


async def store_pieces(unit: UnitOfWork, envelopes: Sequence[Envelope[StoreFilePiece]]) -> list[bytes]:
    """Store pieces of files; a piece that is stored already is kept for another hour."""
    pieces = {(e.project, e.message.digest, e.message.number): e.message.data for e in envelopes}
    await unit.conn.execute(KEEP, *map(list, zip(*pieces, strict=True)), list(pieces.values()), unit.now)
    return [accepted_reply(KeptPiece(digest=e.message.digest, number=e.message.number)) for e in envelopes]


async def touch(unit: UnitOfWork, keys: Collection[Key]) -> dict[Key, int]:
    """Keep these files for another hour, and return how many bytes are stored of each."""
    if not keys:
        return {}
    rows = await unit.conn.fetch(TOUCH, [project for project, _ in keys], [digest for _, digest in keys], unit.now)
    sizes: dict[Key, int] = {}
    for row in rows:
        key = row["project"], row["digest"]
        sizes[key] = sizes.get(key, 0) + row["size"]
    return sizes


async def refer(unit: UnitOfWork, references: Iterable[tuple[UUID, UUID, str]]) -> None:
    """Keep the files, given as (mail, project, digest), until their mails are final."""
    if rows := list(references):
        await unit.conn.execute(REFER, *map(list, zip(*rows, strict=True)))


async def read(conn: Connection, project: UUID, attachments: Sequence[Attachment]) -> list[AttachedFile]:
    """Return the attachments with their bytes. Raise Rejected if those of one are gone."""
    rows = await conn.fetch(READ, project, [each.digest for each in attachments])
    contents = {row["digest"]: row["content"] for row in rows}
    if gone := [each.filename for each in attachments if len(contents.get(each.digest, b"")) != each.size]:
        raise Rejected("ATTACHMENT_GONE", f"The bytes of {gone[0]} are no longer stored")
    return [
        AttachedFile(
            filename=each.filename,
            content_type=each.content_type,
            content=contents[each.digest],
            content_id=each.content_id,
            inline=each.inline,
        )
        for each in attachments
    ]


async def drop_unused(conn: Connection) -> None:
    """Drop the files that no open mail needs."""
    await conn.execute(RELEASE)
    await conn.execute(DROP)
