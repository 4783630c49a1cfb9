"""When to ask SES about a domain next, and what it said last."""

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
select domain from domain where id = any($1::uuid[]) and not vouched
order by domain
on conflict (domain) do update set due_at = least(identity.due_at, clock_timestamp())
"""
# A removed domain keeps its row until SES has forgotten it, too.
FORGET_SOON = """
update identity set due_at = clock_timestamp()
where not exists (select from domain where domain.domain = identity.domain and not vouched)
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
NOTE = """
update identity set status = coalesce($2, status), problem = $3, checked_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => $4)
where domain = $1
"""
FORGET = "delete from identity where domain = $1"
CHECKS = "select domain, status, problem, checked_at from identity where domain = any($1::text[])"


class Due(msgspec.Struct, frozen=True):
    """A domain that is due for a check; `made_for` is the id of the domain for which the identity was made, if any."""

    domain: str
    made_for: UUID | None


class Check(msgspec.Struct, frozen=True):
    """`at` is None before the first check; `problem` says why SES could not be asked, or what it refused."""

    status: DomainVerification | None
    problem: str | None
    at: datetime | None


async def check_soon(conn: Connection, ids: Collection[UUID]) -> None:
    """Have SES asked about these domains as soon as this is committed."""
    await conn.execute(CHECK_SOON, list(ids))


async def forget_soon(conn: Connection) -> None:
    """Have SES forget domains that no project has any more."""
    await conn.execute(FORGET_SOON)


async def due(conn: Connection, limit: int) -> Sequence[Due]:
    """Return domains that are due, and keep others from getting them for a minute."""
    return [Due(row["domain"], row["made_for"]) for row in await conn.fetch(DUE, limit, LEASE)]


async def made(conn: Connection, name: str, domain_id: UUID) -> None:
    """Record the domain for which the identity exists from now on."""
    await conn.execute(MADE, name, domain_id)


async def note(conn: Connection, name: str, status: str | None, problem: str | None) -> None:
    """Record the result of a check. The next one is due in five minutes."""
    await conn.execute(NOTE, name, status, problem, EVERY)


async def forget(conn: Connection, name: str) -> None:
    await conn.execute(FORGET, name)


async def checks(conn: Connection, names: Collection[str]) -> dict[str, Check]:
    rows = await conn.fetch(CHECKS, list(names))
    return {row["domain"]: Check(row["status"], row["problem"], row["checked_at"]) for row in rows}
