"""The templates and unfinished campaigns that send from a domain."""

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
    row = await conn.fetchrow(COUNT, project, f"%@{_escape_like(query.domain.strip().lower())}")
    assert row is not None
    return DomainUses(templates=row["templates"], campaigns=row["campaigns"])


def _escape_like(text: str) -> str:
    """Return the text escaped for `like`, where `_` and `%` are wildcards."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
