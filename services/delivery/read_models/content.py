"""What mails say: templates, and the content that a campaign froze when it started sending."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.campaigns import CampaignSendingStarted, TemplateCreated
from libs.schemas.delivery import Content

NAME = "content"
TABLES = ("content",)
EVENTS = (CampaignSendingStarted, TemplateCreated)
DDL = """
create table if not exists content (
    project uuid not null,
    id uuid not null,
    content jsonb not null,
    version int not null,
    primary key (project, id)
);
"""

KEEP = """
insert into content (project, id, content, version)
select * from unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::int[])
on conflict (project, id) do update set content = excluded.content, version = excluded.version
where excluded.version > content.version
"""
FIND = """
select content.id, content.content
from unnest($1::uuid[], $2::uuid[]) as wanted (project, id)
join content on content.project = wanted.project and content.id = wanted.id
"""

_decode = msgspec.json.Decoder(Content).decode


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    latest = {(e.project, _id(e.message)): e for e in sorted(events, key=lambda e: e.version)}
    await conn.execute(
        KEEP,
        [project for project, _ in latest],
        [content_id for _, content_id in latest],
        [encode(e.message.content).decode() for e in latest.values()],
        [e.version for e in latest.values()],
    )


async def find(conn: Connection, wanted: Collection[tuple[UUID, UUID]]) -> dict[UUID, Content]:
    """Those of the wanted (project, id) that have arrived, by id."""
    if not wanted:
        return {}
    rows = await conn.fetch(FIND, [project for project, _ in wanted], [content_id for _, content_id in wanted])
    return {row["id"]: _decode(row["content"]) for row in rows}


def _id(event: CampaignSendingStarted | TemplateCreated) -> UUID:
    return event.campaign_id if isinstance(event, CampaignSendingStarted) else event.template_id
