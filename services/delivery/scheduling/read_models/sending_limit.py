"""How fast each project may send, by its own wish: all of its mail, and that to single recipient domains."""

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
    """Limits change rarely, so they are folded one by one."""
    for event in events:
        limits = event.message
        await conn.execute(KEEP, event.project, limits.per_second, encode(limits.domains).decode(), event.version)


async def find(conn: Connection, projects: Collection[UUID]) -> Sequence[asyncpg.Record]:
    """A row for each of the projects that ever had limits."""
    return await conn.fetch(FIND, list(projects))
