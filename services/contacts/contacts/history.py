"""The history of a contact: its own stream, read back from the log.

The events of a deleted contact are still there, without their personal content: see
`libs.runtime.eventstore.encryption`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.codec import Codec
from libs.runtime.eventstore.encryption import LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import Meta, meta_of
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import (
    ContactCreated,
    ContactDeleted,
    ContactSubscribed,
    ContactUnsubscribed,
    ContactUpdated,
)
from services.contacts.contacts.contact import Fact
from services.contacts.contacts.contact_batch import ContactState

NEWEST = """
select id, project, version, type, data, meta, recorded_at
from events
where stream = $2 and project = $1 and version < $3
order by version desc limit $4
"""
UNTIL = """
select id, project, version, type, data, meta, recorded_at
from events
where stream = $2 and project = $1 and recorded_at <= $3
order by version
"""

END_OF_STREAM = 2**31 - 1

_codec: Codec[Any] = Codec([ContactCreated, ContactUpdated, ContactSubscribed, ContactUnsubscribed, ContactDeleted])


class RecordedEvent(msgspec.Struct, frozen=True):
    """One event of the contact's stream."""

    id: UUID
    version: int
    kind: str
    event: Fact
    meta: Meta
    at: datetime


async def load_newest(
    conn: Connection, project: UUID, contact_id: UUID, before: int, limit: int
) -> list[RecordedEvent]:
    """Return the contact's events before the version `before`, newest first."""
    rows = await conn.fetch(NEWEST, project, f"contact-{contact_id}", before, limit)
    return await _read(conn, rows)


async def load_at(conn: Connection, project: UUID, contact_id: UUID, at: datetime) -> ContactState:
    """Return the contact at that time. If it did not exist then, or was erased since, its id or email is missing."""
    rows = await conn.fetch(UNTIL, project, f"contact-{contact_id}", at)
    recorded = await _read(conn, rows)
    return reduce(lambda state, each: state.after([each.event], each.at), recorded, ContactState())


async def _read(conn: Connection, rows: Sequence[asyncpg.Record]) -> list[RecordedEvent]:
    bodies = await decrypt(conn, [LoggedEvent(row["id"], row["project"], row["data"].encode()) for row in rows])
    return [
        RecordedEvent(
            row["id"], row["version"], row["type"], _codec.decode(body), meta_of(row["meta"]), row["recorded_at"]
        )
        for row, body in zip(rows, bodies, strict=True)
    ]
