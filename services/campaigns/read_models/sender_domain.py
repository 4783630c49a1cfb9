"""The domains that a project may send from, as delivery verified them."""

from collections.abc import Collection, Sequence
from uuid import UUID

from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.delivery import DomainVerified

NAME = "sender_domain"
TABLES = ("sender_domain",)
EVENTS = (DomainVerified,)
DDL = """
create table if not exists sender_domain (
    project uuid not null,
    domain text not null,
    primary key (project, domain)
);
"""

ADD = """
insert into sender_domain (project, domain)
select * from unnest($1::uuid[], $2::text[])
on conflict do nothing
"""
VERIFIED = """
select project, domain from sender_domain
where (project, domain) in (select * from unnest($1::uuid[], $2::text[]))
"""


async def project(conn: Connection, events: Sequence[Envelope[DomainVerified]]) -> None:
    await conn.execute(ADD, [e.project for e in events], [e.message.domain.lower() for e in events])


async def verified(conn: Connection, wanted: Collection[tuple[UUID, str]]) -> dict[UUID, set[str]]:
    """Which of the wanted (project, domain) are verified, by project."""
    rows = await conn.fetch(VERIFIED, [project for project, _ in wanted], [domain for _, domain in wanted])
    domains: dict[UUID, set[str]] = {}
    for row in rows:
        domains.setdefault(row["project"], set()).add(row["domain"])
    return domains
