"""When to ask SES about a domain next, and what the last check of each project's claim on it found."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.domains import DomainVerification

LEASE = 60.0
EVERY = 300.0

CHECK_SOON = """
insert into identity (domain)
select distinct domain from domain
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[])) and not vouched
order by domain
on conflict (domain) do update set due_at = least(identity.due_at, clock_timestamp())
"""
# A removed domain keeps its row until SES has forgotten it, too.
FORGET_SOON = """
update identity set due_at = clock_timestamp()
where not exists (select from domain where domain.domain = identity.domain and not vouched)
"""
FORGET_CHECKS = """
delete from domain_check as old
where not exists (select from domain where domain.project = old.project and domain.id = old.domain_id)
"""
DUE = """
with due as materialized (
    select domain from identity where due_at <= clock_timestamp() order by due_at limit $1 for update skip locked
)
update identity set due_at = clock_timestamp() + make_interval(secs => $2)
from due where identity.domain = due.domain
returning identity.domain, identity.made_for
"""
MADE = "update identity set made_for = $2 where domain = $1"
LOCK = "select from identity where domain = $1 for update"
NOTE = """
insert into domain_check as last (project, domain_id, status, problem, checked_at)
values ($1, $2, $3, $4, clock_timestamp())
on conflict (project, domain_id) do update set
    status = excluded.status, problem = excluded.problem, checked_at = excluded.checked_at
"""
NOTE_FAILURE = """
insert into domain_check as last (project, domain_id, problem, checked_at)
select project, id, $2, clock_timestamp() from domain where domain = $1 and not vouched
order by project, id
on conflict (project, domain_id) do update set problem = excluded.problem, checked_at = excluded.checked_at
"""
POSTPONE = "update identity set due_at = clock_timestamp() + make_interval(secs => $2) where domain = $1"
FORGET = "delete from identity where domain = $1"
CHECKS = """
select domain_id, status, problem, checked_at from domain_check where project = $1 and domain_id = any($2::uuid[])
"""


class Due(msgspec.Struct, frozen=True):
    """A domain that is due for a check; `made_for` is the id of the claim for which the identity was made.

    It is None if nobody made it yet, or not we: then it is not ours to delete.
    """

    domain: str
    made_for: UUID | None


class Check(msgspec.Struct, frozen=True):
    """`at` is None before the first check; `problem` says why SES could not be asked, or what it refused."""

    status: DomainVerification | None
    problem: str | None
    at: datetime | None


async def check_soon(conn: Connection, claims: Collection[tuple[UUID, UUID]]) -> None:
    """Have these domains, given as (project, id), checked as soon as this is committed."""
    await conn.execute(CHECK_SOON, [project for project, _ in claims], [domain_id for _, domain_id in claims])


async def forget_soon(conn: Connection) -> None:
    """Have SES forget domains that no project has any more."""
    await conn.execute(FORGET_SOON)
    await conn.execute(FORGET_CHECKS)


async def due(conn: Connection, limit: int) -> Sequence[Due]:
    """Return domains that are due, and keep others from getting them for a minute."""
    return [Due(row["domain"], row["made_for"]) for row in await conn.fetch(DUE, limit, LEASE)]


async def made(conn: Connection, name: str, domain_id: UUID) -> None:
    """Record the domain for which the identity exists from now on."""
    await conn.execute(MADE, name, domain_id)


async def lock(conn: Connection, name: str) -> None:
    """Have other checks of the domain wait until this transaction ends: only one project may get it."""
    await conn.execute(LOCK, name)


async def note(conn: Connection, project: UUID, domain_id: UUID, status: str, problem: str | None) -> None:
    """Record what the check of a claim found."""
    await conn.execute(NOTE, project, domain_id, status, problem)


async def note_failure(conn: Connection, name: str, problem: str) -> None:
    """Record for all claims on the domain why it could not be checked."""
    await conn.execute(NOTE_FAILURE, name, problem)


async def postpone(conn: Connection, name: str) -> None:
    """Have the domain checked again in five minutes."""
    await conn.execute(POSTPONE, name, EVERY)


async def forget(conn: Connection, name: str) -> None:
    await conn.execute(FORGET, name)


async def checks(conn: Connection, project: UUID, ids: Collection[UUID]) -> dict[UUID, Check]:
    rows = await conn.fetch(CHECKS, project, list(ids))
    return {row["domain_id"]: Check(row["status"], row["problem"], row["checked_at"]) for row in rows}
