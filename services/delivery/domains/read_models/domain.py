"""The sending domains of projects. Only one project can have a verified one, unless the operator vouches for it."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.domains import DomainAdded, DomainIdentified, DomainLost, DomainRemoved, DomainVerified
from services.delivery.domains.domain import Domain

NAME = "domain"
TABLES = ("domain",)
EVENTS = (DomainAdded, DomainIdentified, DomainVerified, DomainLost, DomainRemoved)
# All rows from before `vouched` existed were vouched for by the operator.
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
alter table domain add column if not exists mail_from text;
alter table domain add column if not exists vouched boolean not null default true;
create index if not exists domain_name on domain (domain);
create unique index if not exists domain_verified on domain (domain) where verified and not vouched;
"""

ADD = """
insert into domain (project, id, domain, verified, tokens, version, created_at, updated_at, vouched)
values ($1, $2, $3, false, $4, $5, $6, $6, $7)
"""
IDENTIFY = """
update domain set tokens = $5, mail_from = $6, version = $3, updated_at = $4 where project = $1 and id = $2
"""
VERIFY = "update domain set verified = true, vouched = $5, version = $3, updated_at = $4 where project = $1 and id = $2"
LOSE = "update domain set verified = false, version = $3, updated_at = $4 where project = $1 and id = $2"
REMOVE = "delete from domain where project = $1 and id = $2"

OF_PROJECT = """
select project, id, domain, verified, vouched, tokens, mail_from, version, created_at, updated_at
from domain where project = $1 order by created_at, id
"""
ONE = """
select project, id, domain, verified, vouched, tokens, mail_from, version, created_at, updated_at
from domain where project = $1 and id = $2
"""
BY_NAME = """
select project, id, domain, verified, vouched, tokens, mail_from, version, created_at, updated_at
from domain where domain = any($1::text[]) order by created_at, id
"""
NAMED = "select project, domain, verified from domain where domain = any($1::text[]) and project = any($2::uuid[])"

FIRST_VERIFIED = """
select distinct on (project) project, domain from domain
where project = any($1::uuid[]) and verified order by project, created_at, id
"""


Owners = dict[str, dict[UUID, bool]]
"""For each domain, those of the projects in question that added it, and whether it is verified there."""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Fold the events one by one, because there are few."""
    for event in events:
        at = (event.project, event.message.domain_id)
        then = (event.version, event.at)
        match event.message:
            case DomainAdded(domain=domain, tokens=tokens, vouched=vouched):
                await conn.execute(ADD, *at, domain, tokens, *then, vouched)
            case DomainIdentified(tokens=tokens, mail_from=mail_from):
                await conn.execute(IDENTIFY, *at, *then, tokens, mail_from)
            case DomainVerified(vouched=vouched):
                await conn.execute(VERIFY, *at, *then, vouched)
            case DomainLost():
                await conn.execute(LOSE, *at, *then)
            case DomainRemoved():
                await conn.execute(REMOVE, *at)


async def find(conn: Connection, names: Collection[str]) -> Sequence[asyncpg.Record]:
    """Return the rows with these names, of any project, oldest first. No request may be answered from them."""
    return await conn.fetch(BY_NAME, list(names))


async def of_project(conn: Connection, project: UUID) -> Sequence[asyncpg.Record]:
    return await conn.fetch(OF_PROJECT, project)


async def one(conn: Connection, project: UUID, domain_id: UUID) -> asyncpg.Record | None:
    return await conn.fetchrow(ONE, project, domain_id)


async def named(conn: Connection, domains: Collection[str], projects: Collection[UUID]) -> Owners:
    found: Owners = {}
    for row in await conn.fetch(NAMED, list(domains), list(projects)):
        found.setdefault(row["domain"], {})[row["project"]] = row["verified"]
    return found


def domain_of(row: asyncpg.Record) -> Domain:
    """Return the state of the domain in this row."""
    return Domain(
        id=row["id"],
        domain=row["domain"],
        verified=row["verified"],
        vouched=row["vouched"],
        tokens=tuple(row["tokens"]),
        mail_from=row["mail_from"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def first_verified(conn: Connection, projects: Collection[UUID]) -> dict[UUID, str]:
    """Return the oldest verified domain of each project that has one."""
    if not projects:
        return {}
    return {row["project"]: row["domain"] for row in await conn.fetch(FIRST_VERIFIED, list(projects))}
