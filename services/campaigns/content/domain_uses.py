"""What sends from a domain, and would be left without a sender if it was removed."""

from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CountDomainUses, DomainUses

COUNT = """
select
    (select count(*) from template
     where project = $1 and lower(content->>'fromEmail') like $2)::int as templates,
    (select count(*) from campaign
     where project = $1 and lower(content->>'fromEmail') like $2
         and status in ('DRAFT', 'SCHEDULED', 'QUEUED', 'SENDING'))::int as campaigns
"""


async def count_domain_uses(conn: Connection, project: UUID, query: CountDomainUses) -> DomainUses:
    row = await conn.fetchrow(COUNT, project, f"%@{_literal(query.domain.strip().lower())}")
    assert row is not None
    return DomainUses(templates=row["templates"], campaigns=row["campaigns"])


def _literal(text: str) -> str:
    """The text for `like`, in which `_` and `%` stand for others."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
