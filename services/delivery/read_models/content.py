"""What mails say: templates, and the content that a campaign froze when it started sending."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.campaigns import CampaignSendingStarted, TemplateCreated, TemplateDeleted, TemplateUpdated
from libs.schemas.delivery import Content

NAME = "content"
TABLES = ("content",)
EVENTS = (CampaignSendingStarted, TemplateCreated, TemplateUpdated, TemplateDeleted)
DDL = """
create table if not exists content (
    project uuid not null,
    id uuid not null,
    content jsonb not null,
    version int not null,
    primary key (project, id)
);
alter table content add column if not exists deleted boolean not null default false;
"""

KEEP = """
insert into content (project, id, content, version)
select * from unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::int[])
on conflict (project, id) do update set content = excluded.content, version = excluded.version
where excluded.version > content.version
"""
# A mail that was queued before its template was deleted still says what it was to say.
DELETE = """
insert into content (project, id, content, version, deleted)
select project, id, $4, version, true from unnest($1::uuid[], $2::uuid[], $3::int[]) as new (project, id, version)
on conflict (project, id) do update set version = excluded.version, deleted = true
"""
FIND = """
select content.id, content.content
from unnest($1::uuid[], $2::uuid[]) as wanted (project, id)
join content on content.project = wanted.project and content.id = wanted.id
where not (content.deleted and $3)
"""
NOTHING = encode(Content(subject="", body="", from_email="")).decode()

_decode = msgspec.json.Decoder(Content).decode


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    latest = {(e.project, _id(e.message)): e for e in sorted(events, key=lambda e: e.version)}
    gone = {key: latest.pop(key).version for key, e in list(latest.items()) if isinstance(e.message, TemplateDeleted)}
    if gone:
        await conn.execute(DELETE, *_columns(gone), list(gone.values()), NOTHING)
    await conn.execute(
        KEEP,
        *_columns(latest),
        [encode(e.message.content).decode() for e in latest.values()],
        [e.version for e in latest.values()],
    )


async def find(conn: Connection, wanted: Collection[tuple[UUID, UUID]], *, usable: bool = False) -> dict[UUID, Content]:
    """Those of the wanted (project, id) that have arrived, by id; `usable` leaves out templates that were deleted."""
    if not wanted:
        return {}
    rows = await conn.fetch(FIND, *_columns(wanted), usable)
    return {row["id"]: _decode(row["content"]) for row in rows}


def _columns(keys: Collection[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [project for project, _ in keys], [content_id for _, content_id in keys]


def _id(event: CampaignSendingStarted | TemplateCreated | TemplateUpdated | TemplateDeleted) -> UUID:
    return event.campaign_id if isinstance(event, CampaignSendingStarted) else event.template_id
