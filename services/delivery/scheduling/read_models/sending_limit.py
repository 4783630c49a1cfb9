"""The sending limits that projects set for themselves: for all mail, and for single recipient domains."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.sending_limits import SendingLimitsSet

NAME = "sending_limit"
TABLES = ("sending_limit",)
EVENTS = (SendingLimitsSet,)
DDL = """
create table if not exists sending_limit (
    project uuid primary key,
    per_second double precision,
    domains jsonb not null,
    version int not null
);
"""

KEEP = """
insert into sending_limit (project, per_second, domains, version) values ($1, $2, $3, $4)
on conflict (project) do update set
    per_second = excluded.per_second, domains = excluded.domains, version = excluded.version
where excluded.version > sending_limit.version
"""
FIND = "select project, per_second, domains, version from sending_limit where project = any($1::uuid[])"


async def project(conn: Connection, events: Sequence[Envelope[SendingLimitsSet]]) -> None:
    """Fold the events one by one, because limits change rarely."""
    for event in events:
        limits = event.message
        await conn.execute(KEEP, event.project, limits.per_second, encode(limits.domains).decode(), event.version)


async def find(conn: Connection, projects: Collection[UUID]) -> Sequence[asyncpg.Record]:
    """Return the rows of those projects that ever had limits."""
    return await conn.fetch(FIND, list(projects))
