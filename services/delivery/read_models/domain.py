"""Sending domains of projects. A domain may be added by several projects; each has to verify it."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.clock import iso
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.delivery import DomainAdded, DomainVerified, DomainView

NAME = "domain"
TABLES = ("domain",)
EVENTS = (DomainAdded, DomainVerified)
DDL = """
create table if not exists domain (
    project uuid not null,
    id uuid not null,
    domain text not null,
    verified boolean not null,
    tokens text[] not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project, id),
    unique (project, domain)
);
create index if not exists domain_name on domain (domain);
"""

ADD = """
insert into domain (project, id, domain, verified, tokens, version, created_at, updated_at)
values ($1, $2, $3, false, $4, $5, $6, $6)
"""
VERIFY = "update domain set verified = true, version = $3, updated_at = $4 where project = $1 and id = $2"
LIST = """
select id, domain, verified, tokens, created_at, updated_at from domain where project = $1 order by created_at, id
"""
LOAD = """
select domain.project, domain.id, domain.domain, verified, tokens, version, created_at
from unnest($1::uuid[], $2::text[]) as wanted (project, domain)
join domain on domain.project = wanted.project and domain.domain = wanted.domain
"""
NAMED = "select project, domain, verified from domain where domain = any($1::text[])"


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Domains come a few at a time, so they are folded one by one."""
    for event in events:
        match event.message:
            case DomainAdded(domain_id=domain_id, domain=domain, tokens=tokens):
                await conn.execute(ADD, event.project, domain_id, domain, tokens, event.version, event.at)
            case DomainVerified(domain_id=domain_id):
                await conn.execute(VERIFY, event.project, domain_id, event.version, event.at)


async def load(conn: Connection, wanted: Collection[tuple[UUID, str]]) -> Sequence[asyncpg.Record]:
    return await conn.fetch(LOAD, [project for project, _ in wanted], [domain for _, domain in wanted])


async def named(conn: Connection, domains: Collection[str]) -> dict[str, dict[UUID, bool]]:
    """For each domain the projects that have it, and whether it is verified there."""
    found: dict[str, dict[UUID, bool]] = {}
    for row in await conn.fetch(NAMED, list(domains)):
        found.setdefault(row["domain"], {})[row["project"]] = row["verified"]
    return found


async def list_all(conn: Connection, project: UUID) -> list[DomainView]:
    return [
        DomainView(
            id=row["id"],
            domain=row["domain"],
            verified=row["verified"],
            tokens=row["tokens"],
            created_at=iso(row["created_at"]),
            updated_at=iso(row["updated_at"]),
        )
        for row in await conn.fetch(LIST, project)
    ]
