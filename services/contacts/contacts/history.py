"""How a contact became what it is: its own stream, read back from the log.

What was recorded about a contact that is deleted stays as facts without content:
see `libs.runtime.eventstore.encryption`.
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
from services.contacts.contacts.contact_batch import Known

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

FROM_THE_END = 2**31 - 1

_codec: Codec[Any] = Codec([ContactCreated, ContactUpdated, ContactSubscribed, ContactUnsubscribed, ContactDeleted])


class Recorded(msgspec.Struct, frozen=True):
    """One fact of the contact's stream."""

    id: UUID
    version: int
    kind: str
    fact: Fact
    meta: Meta
    at: datetime


async def newest(conn: Connection, project: UUID, contact_id: UUID, before: int, limit: int) -> list[Recorded]:
    """What happened to the contact, newest first, from the version `before` back."""
    rows = await conn.fetch(NEWEST, project, f"contact-{contact_id}", before, limit)
    return await _read(conn, rows)


async def as_it_was(conn: Connection, project: UUID, contact_id: UUID, at: datetime) -> Known:
    """The contact at that time; NOBODY if there was none then, or if it is forgotten since."""
    rows = await conn.fetch(UNTIL, project, f"contact-{contact_id}", at)
    facts = await _read(conn, rows)
    return reduce(lambda known, each: known.after([each.fact], each.at), facts, Known())


async def _read(conn: Connection, rows: Sequence[asyncpg.Record]) -> list[Recorded]:
    bodies = await decrypt(conn, [LoggedEvent(row["id"], row["project"], row["data"].encode()) for row in rows])
    return [
        Recorded(row["id"], row["version"], row["type"], _codec.decode(body), meta_of(row["meta"]), row["recorded_at"])
        for row, body in zip(rows, bodies, strict=True)
    ]
