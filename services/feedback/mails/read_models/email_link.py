"""How often each link of each mail was followed, by people and by machines.

Links are counted without what is personal in them. Those of deleted contacts are blank, and still count.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from libs.kernel.personal_text import impersonal_link
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.feedback.mails import EmailClicked, EmailLinkClicks

NAME = "email_link"
TABLES = ("email_link",)
EVENTS = (EmailClicked, ContactDeleted)

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
);
alter table email_link add column if not exists contact_id uuid;
create index if not exists email_link_contact on email_link (project, contact_id);
"""

ADD = """
insert into email_link as l (project, email_id, digest, link, contact_id, clicks, machine_clicks, clicked_at)
select project, email_id, digest, min(link), contact_id, count(*) filter (where not machine),
    count(*) filter (where machine), min(at) filter (where not machine)
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::boolean[], $7::timestamptz[])
    as new (project, email_id, digest, link, contact_id, machine, at)
group by project, email_id, digest, contact_id
order by project, email_id, digest
on conflict (project, email_id, digest) do update set
    clicks = l.clicks + excluded.clicks,
    machine_clicks = l.machine_clicks + excluded.machine_clicks,
    clicked_at = least(l.clicked_at, excluded.clicked_at)
"""

# The rows of a mail become one, which has no link. Rows without one stay, so that no row is changed twice.
FORGET = """
with gone as (
    delete from email_link as l using unnest($1::uuid[], $2::uuid[]) as deleted (project, contact_id)
    where l.project = deleted.project and l.contact_id = deleted.contact_id and l.link <> ''
    returning l.*
)
insert into email_link as l (project, email_id, digest, link, contact_id, clicks, machine_clicks, clicked_at)
select project, email_id, $3, '', contact_id, sum(clicks), sum(machine_clicks), min(clicked_at) from gone
group by project, email_id, contact_id
order by project, email_id
on conflict (project, email_id, digest) do update set
    clicks = l.clicks + excluded.clicks,
    machine_clicks = l.machine_clicks + excluded.machine_clicks,
    clicked_at = least(l.clicked_at, excluded.clicked_at)
"""

OF_MAIL = """
select link, clicks, machine_clicks, clicked_at from email_link where project = $1 and email_id = $2
order by clicks desc, machine_clicks desc, link
"""


async def project(conn: Connection, events: Sequence[Envelope[EmailClicked | ContactDeleted]]) -> None:
    clicks = [_row(event.project, event.message) for event in events if isinstance(event.message, EmailClicked)]
    if clicks:
        await conn.execute(ADD, *zip(*clicks, strict=True))
    if deleted := [e for e in events if isinstance(e.message, ContactDeleted)]:
        contacts = [e.message.contact_id for e in deleted]
        await conn.execute(FORGET, [e.project for e in deleted], contacts, _digest(""))


def _row(project: UUID, click: EmailClicked) -> tuple[UUID, UUID, UUID, str, UUID, bool, datetime]:
    link = impersonal_link(click.link)
    return project, click.email_id, _digest(link), link, click.contact_id, click.machine, click.at


async def of_mail(conn: Connection, project: UUID, email_id: UUID) -> list[EmailLinkClicks]:
    """Return the links of a mail that were followed, the most followed first."""
    return [EmailLinkClicks(**row) for row in await conn.fetch(OF_MAIL, project, email_id)]


def _digest(link: str) -> UUID:
    return UUID(bytes=blake2b(link.encode(), digest_size=16).digest())
