"""How often each link of each mail was followed, by people and by machines."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.mails import EmailClicked, EmailLinkClicks

NAME = "email_link"
TABLES = ("email_link",)
EVENTS = (EmailClicked,)

# A link can be too long for an index, so its digest is in the key.
DDL = """
create table if not exists email_link (
    project uuid not null,
    email_id uuid not null,
    digest uuid not null,
    link text not null,
    clicks int not null,
    machine_clicks int not null,
    clicked_at timestamptz,
    primary key (project, email_id, digest)
)
"""

ADD = """
insert into email_link as l (project, email_id, digest, link, clicks, machine_clicks, clicked_at)
select project, email_id, digest, min(link), count(*) filter (where not machine), count(*) filter (where machine),
    min(at) filter (where not machine)
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::boolean[], $6::timestamptz[])
    as new (project, email_id, digest, link, machine, at)
group by project, email_id, digest
order by project, email_id, digest
on conflict (project, email_id, digest) do update set
    clicks = l.clicks + excluded.clicks,
    machine_clicks = l.machine_clicks + excluded.machine_clicks,
    clicked_at = least(l.clicked_at, excluded.clicked_at)
"""

OF_MAIL = """
select link, clicks, machine_clicks, clicked_at from email_link where project = $1 and email_id = $2
order by clicks desc, machine_clicks desc, link
"""


async def project(conn: Connection, events: Sequence[Envelope[EmailClicked]]) -> None:
    rows: list[tuple[UUID, UUID, UUID, str, bool, datetime]] = [
        (e.project, e.message.email_id, _digest(e.message.link), e.message.link, e.message.machine, e.message.at)
        for e in events
    ]
    await conn.execute(ADD, *zip(*rows, strict=True))


async def of_mail(conn: Connection, project: UUID, email_id: UUID) -> list[EmailLinkClicks]:
    """Return the links of a mail that were followed, the most followed first."""
    return [EmailLinkClicks(**row) for row in await conn.fetch(OF_MAIL, project, email_id)]


def _digest(link: str) -> UUID:
    return UUID(bytes=blake2b(link.encode(), digest_size=16).digest())
