"""Caches the contents of mails: a campaign's body is read once, not once for each recipient."""

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.content import Content
from services.delivery.rendering.content import overridden
from services.delivery.rendering.read_models import content

Key = tuple[UUID, UUID, int]
MAX_CONTENTS = 64

_decode = msgspec.json.Decoder(Content).decode


class ContentCache:
    """Keeps contents by (project, id, version), and drops the least recently used when it is full."""

    def __init__(self) -> None:
        self._contents: OrderedDict[Key, Content] = OrderedDict()

    async def contents_of(self, conn: Connection, rows: Sequence[asyncpg.Record]) -> dict[UUID, Content]:
        """Return the content of each row of the ledger by the row's id, without those that have not arrived."""
        await self._fetch(conn, {_key(row) for row in rows if row["content_version"] is not None})
        found = {row["id"]: self._content(row) for row in rows}
        self._evict()
        return {email_id: content for email_id, content in found.items() if content}

    async def _fetch(self, conn: Connection, keys: set[Key]) -> None:
        missing = {(project, content_id): version for project, content_id, version in keys - self._contents.keys()}
        for (project, content_id), found in (await content.find(conn, missing.keys())).items():
            self._contents[project, content_id, missing[project, content_id]] = found

    def _content(self, row: asyncpg.Record) -> Content | None:
        if row["content"] is not None:
            return _decode(row["content"])
        cached = self._contents.get(_key(row)) if row["content_version"] is not None else None
        if cached is None:
            return None
        self._contents.move_to_end(_key(row))
        return overridden(cached, msgspec.json.decode(row["overrides"])) if row["overrides"] else cached

    def _evict(self) -> None:
        while len(self._contents) > MAX_CONTENTS:
            self._contents.popitem(last=False)


def _key(row: asyncpg.Record) -> Key:
    return row["project"], row["content_id"], row["content_version"]
