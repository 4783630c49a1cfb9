"""How often each contact clicked each link of a campaign. Machine clicks are not counted.

Links are counted without what is personal in them. Those of deleted contacts are blank, and still count.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import md5
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.personal_text import impersonal_link
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.feedback.mails import EmailClicked

NAME = "campaign_click"
TABLES = ("campaign_click",)
EVENTS = (EmailClicked, ContactDeleted)
DDL = """
create table if not exists campaign_click (
    project uuid not null,
    campaign_id uuid not null,
    link_id uuid not null,              -- a digest: a link may be too long for an index key
    contact_id uuid not null,
    link text not null,
    clicks int not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (project, campaign_id, link_id, contact_id)
);
create index if not exists campaign_click_contact on campaign_click (project, contact_id);
"""

ADD = """
insert into campaign_click as kept (project, campaign_id, link_id, contact_id, link, clicks, first_at, last_at)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::timestamptz[],
    $8::timestamptz[])
on conflict (project, campaign_id, link_id, contact_id) do update set
    clicks = kept.clicks + excluded.clicks,
    first_at = least(kept.first_at, excluded.first_at),
    last_at = greatest(kept.last_at, excluded.last_at)
"""
# A contact's rows of a campaign become one, which has no link. Rows without one stay, so that no row is changed twice.
FORGET = """
with gone as (
    delete from campaign_click as kept using unnest($1::uuid[], $2::uuid[]) as deleted (project, contact_id)
    where kept.project = deleted.project and kept.contact_id = deleted.contact_id and kept.link <> ''
    returning kept.*
)
insert into campaign_click as kept (project, campaign_id, link_id, contact_id, link, clicks, first_at, last_at)
select project, campaign_id, $3, contact_id, '', sum(clicks), min(first_at), max(last_at) from gone
group by project, campaign_id, contact_id
order by project, campaign_id, contact_id
on conflict (project, campaign_id, link_id, contact_id) do update set
    clicks = kept.clicks + excluded.clicks,
    first_at = least(kept.first_at, excluded.first_at),
    last_at = greatest(kept.last_at, excluded.last_at)
"""
LINKS = """
select min(link) as link, sum(clicks)::int as clicks, count(*)::int as unique_clicks, min(first_at) as first_at,
    max(last_at) as last_at
from campaign_click where project = $1 and campaign_id = $2
group by link_id order by clicks desc, link
limit 1000
"""

Key = tuple[UUID, UUID, UUID, UUID]


class ClickedLink(msgspec.Struct, frozen=True):
    """A link of a campaign: the number of clicks, and of contacts who clicked."""

    link: str
    clicks: int
    unique_clicks: int
    first_at: datetime
    last_at: datetime


class _Clicks(msgspec.Struct):
    link: str
    clicks: int
    first_at: datetime
    last_at: datetime


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    rows: dict[Key, _Clicks] = {}
    for event in events:
        if isinstance(event.message, EmailClicked):
            _fold(rows, event)
    if rows:
        keys = sorted(rows)
        ids = [[key[part] for key in keys] for part in range(4)]
        columns = ([getattr(rows[key], name) for key in keys] for name in _Clicks.__struct_fields__)
        await conn.execute(ADD, *ids, *columns)
    if deleted := [event for event in events if isinstance(event.message, ContactDeleted)]:
        contacts = [event.message.contact_id for event in deleted]
        await conn.execute(FORGET, [event.project for event in deleted], contacts, _digest(""))


async def links(conn: Connection, project: UUID, campaign_id: UUID) -> list[ClickedLink]:
    """Return the 1,000 most clicked links, the most clicked first."""
    return [msgspec.convert(dict(row), ClickedLink) for row in await conn.fetch(LINKS, project, campaign_id)]


def _fold(rows: dict[Key, _Clicks], event: Envelope[EmailClicked]) -> None:
    click = event.message
    if click.campaign_id is None or click.machine:
        return
    link = impersonal_link(click.link)
    key = (event.project, click.campaign_id, _digest(link), click.contact_id)
    row = rows.setdefault(key, _Clicks(link, 0, click.at, click.at))
    row.clicks += 1
    row.first_at, row.last_at = min(row.first_at, click.at), max(row.last_at, click.at)


def _digest(link: str) -> UUID:
    return UUID(bytes=md5(link.encode(), usedforsecurity=False).digest())
