"""How often each thing happened to each contact, and when first and last.

Counters instead of a list, so that tracking costs the same for a contact with ten thousand events as for a new one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.contacts import EventTracked

NAME = "contact_event"
TABLES = ("contact_event",)
EVENTS = (EventTracked,)

DDL = """
create table if not exists contact_event (
    project uuid not null,
    contact_id uuid not null,
    name text not null,
    count bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (project, contact_id, name)
) with (fillfactor = 80);
"""

ADD = """
insert into contact_event (project, contact_id, name, count, first_at, last_at)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
on conflict (project, contact_id, name) do update
    set count = contact_event.count + excluded.count, last_at = greatest(contact_event.last_at, excluded.last_at)
"""


class _Seen(msgspec.Struct):
    count: int
    first_at: datetime
    last_at: datetime


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    seen: dict[tuple[UUID, UUID, str], _Seen] = {}
    for envelope in events:
        key = envelope.project, envelope.message.contact_id, envelope.message.name
        counter = seen.setdefault(key, _Seen(0, envelope.at, envelope.at))
        counter.count += 1
        counter.last_at = envelope.at
    # in one order everywhere, so that replicas that count the same contacts wait instead of deadlocking
    ordered = sorted(seen.items())
    await conn.execute(
        ADD,
        [key[0] for key, _ in ordered],
        [key[1] for key, _ in ordered],
        [key[2] for key, _ in ordered],
        [counter.count for _, counter in ordered],
        [counter.first_at for _, counter in ordered],
        [counter.last_at for _, counter in ordered],
    )
