"""The contents that mails are made of, kept at hand: a campaign's body is read once, not once for each recipient."""

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.content import Content
from services.delivery.intake.admission import overridden
from services.delivery.rendering.read_models import content

Key = tuple[UUID, UUID, int]
ROOM = 64

_decode = msgspec.json.Decoder(Content).decode


class Shelf:
    """Contents by (project, id, version); the least recently used make room."""

    def __init__(self) -> None:
        self._contents: OrderedDict[Key, Content] = OrderedDict()

    async def contents_of(self, conn: Connection, rows: Sequence[asyncpg.Record]) -> dict[UUID, Content]:
        """The content of each row of the ledger, by the row's id. Rows whose content has not arrived are left out."""
        await self._fetch(conn, {_key(row) for row in rows if row["content_version"] is not None})
        found = {row["id"]: self._content(row) for row in rows}
        self._make_room()
        return {email_id: content for email_id, content in found.items() if content}

    async def _fetch(self, conn: Connection, keys: set[Key]) -> None:
        missing = {(project, content_id): version for project, content_id, version in keys - self._contents.keys()}
        for content_id, found in (await content.find(conn, missing.keys())).items():
            project = next(project for project, wanted in missing if wanted == content_id)
            self._contents[project, content_id, missing[project, content_id]] = found

    def _content(self, row: asyncpg.Record) -> Content | None:
        if row["content"] is not None:
            return _decode(row["content"])
        kept = self._contents.get(_key(row)) if row["content_version"] is not None else None
        if kept is None:
            return None
        self._contents.move_to_end(_key(row))
        return overridden(kept, msgspec.json.decode(row["overrides"])) if row["overrides"] else kept

    def _make_room(self) -> None:
        while len(self._contents) > ROOM:
            self._contents.popitem(last=False)


def _key(row: asyncpg.Record) -> Key:
    return row["project"], row["content_id"], row["content_version"]
