"""The domains that projects may send from, copied from delivery. The highest version of each domain wins."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Event
from libs.schemas.delivery.domains import (
    DomainAdded,
    DomainLost,
    DomainRemoved,
    DomainVerified,
)

NAME = "sender_domain"
TABLES = ("sender_domain",)
EVENTS = (DomainAdded, DomainVerified, DomainLost, DomainRemoved)
# A domain that is removed and added again has a new `domain_id`, so that late events of the first one do not change it.
# Rows that were written before there was a `domain_id` are verified domains; their real id is not known.
DDL = """
create table if not exists sender_domain (
    project uuid not null,
    domain text not null
);
alter table sender_domain drop constraint if exists sender_domain_pkey;
alter table sender_domain add column if not exists domain_id uuid not null default gen_random_uuid();
alter table sender_domain add column if not exists state text not null default 'verified';
alter table sender_domain add column if not exists version int not null default 0;
create unique index if not exists sender_domain_id on sender_domain (project, domain_id);
create index if not exists sender_domain_name on sender_domain (domain, project);
"""

STATES: dict[type[Event], str] = {
    DomainAdded: "unverified",
    DomainVerified: "verified",
    DomainLost: "unverified",
    DomainRemoved: "removed",
}

MERGE = """
insert into sender_domain (project, domain_id, domain, state, version)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[])
on conflict (project, domain_id) do update set state = excluded.state, version = excluded.version
where excluded.version > sender_domain.version
"""
VERIFIED = """
select distinct project, domain from sender_domain
where (project, domain) in (select * from unnest($1::uuid[], $2::text[])) and state = 'verified'
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    latest = {(e.project, e.message.domain_id): e for e in sorted(events, key=lambda e: e.version)}
    await conn.execute(
        MERGE,
        [project for project, _ in latest],
        [domain_id for _, domain_id in latest],
        [e.message.domain.lower() for e in latest.values()],
        [STATES[type(e.message)] for e in latest.values()],
        [e.version for e in latest.values()],
    )


async def verified(conn: Connection, pairs: Collection[tuple[UUID, str]]) -> dict[UUID, set[str]]:
    """Return which of the (project, domain) are verified, by project."""
    rows = await conn.fetch(VERIFIED, [project for project, _ in pairs], [domain for _, domain in pairs])
    domains: dict[UUID, set[str]] = {}
    for row in rows:
        domains.setdefault(row["project"], set()).add(row["domain"])
    return domains
