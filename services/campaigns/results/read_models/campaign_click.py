"""How often each contact clicked each link of a campaign. Machine clicks are not counted."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import md5
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.mails import EmailClicked

NAME = "campaign_click"
TABLES = ("campaign_click",)
EVENTS = (EmailClicked,)
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
        _fold(rows, event)
    if not rows:
        return
    keys = sorted(rows)
    ids = [[key[part] for key in keys] for part in range(4)]
    await conn.execute(ADD, *ids, *([getattr(rows[key], name) for key in keys] for name in _Clicks.__struct_fields__))


async def links(conn: Connection, project: UUID, campaign_id: UUID) -> list[ClickedLink]:
    """Return the 1,000 most clicked links, the most clicked first."""
    return [msgspec.convert(dict(row), ClickedLink) for row in await conn.fetch(LINKS, project, campaign_id)]


def _fold(rows: dict[Key, _Clicks], event: Envelope[EmailClicked]) -> None:
    click = event.message
    if click.campaign_id is None or click.machine:
        return
    key = (event.project, click.campaign_id, _digest(click.link), click.contact_id)
    row = rows.setdefault(key, _Clicks(click.link, 0, click.at, click.at))
    row.clicks += 1
    row.first_at, row.last_at = min(row.first_at, click.at), max(row.last_at, click.at)


def _digest(link: str) -> UUID:
    return UUID(bytes=md5(link.encode(), usedforsecurity=False).digest())
