"""The contents of mails: templates, and what campaigns froze when they started sending.

A campaign with an A/B test has one content per variant, and none of its own until the winner is decided.
"""

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.ab_tests import FrozenVariant
from libs.schemas.campaigns.campaigns import CampaignSendingStarted, CampaignWinnerDecided
from libs.schemas.campaigns.templates import TemplateCreated, TemplateDeleted, TemplateUpdated
from libs.schemas.delivery.content import Content

NAME = "content"
TABLES = ("content",)
EVENTS = (CampaignSendingStarted, CampaignWinnerDecided, TemplateCreated, TemplateUpdated, TemplateDeleted)
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
# A mail that was queued before its template was deleted keeps its content.
DELETE = """
insert into content (project, id, content, version, deleted)
select project, id, $4, version, true from unnest($1::uuid[], $2::uuid[], $3::int[]) as new (project, id, version)
on conflict (project, id) do update set version = excluded.version, deleted = true
"""
FIND = """
select content.project, content.id, content.content
from unnest($1::uuid[], $2::uuid[]) as wanted (project, id)
join content on content.project = wanted.project and content.id = wanted.id
where not (content.deleted and $3)
"""
EMPTY = encode(Content(subject="", body="", from_email="")).decode()

Key = tuple[UUID, UUID]
ContentEvent: TypeAlias = CampaignSendingStarted | CampaignWinnerDecided | TemplateCreated | TemplateUpdated

_decode = msgspec.json.Decoder(Content).decode


def variant_id(campaign_id: UUID, key: str) -> UUID:
    """Return the id under which the content of a variant is kept."""
    return uuid5(campaign_id, key)


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    contents: dict[Key, tuple[Content, int]] = {}
    deleted: dict[Key, int] = {}
    for event in sorted(events, key=lambda e: e.version):
        if isinstance(event.message, TemplateDeleted):
            key = event.project, event.message.template_id
            deleted[key] = event.version
            contents.pop(key, None)
        else:
            for content_id, content in _contents_of(event.message):
                contents[event.project, content_id] = content, event.version
    if deleted:
        await conn.execute(DELETE, *_columns(deleted), list(deleted.values()), EMPTY)
    encoded = [encode(content).decode() for content, _ in contents.values()]
    await conn.execute(KEEP, *_columns(contents), encoded, [version for _, version in contents.values()])


async def find(conn: Connection, wanted: Collection[Key], *, usable: bool = False) -> dict[Key, Content]:
    """Return the wanted contents, given as (project, id), that have arrived; `usable` leaves out deleted templates."""
    if not wanted:
        return {}
    rows = await conn.fetch(FIND, *_columns(wanted), usable)
    return {(row["project"], row["id"]): _decode(row["content"]) for row in rows}


def _columns(keys: Collection[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [project for project, _ in keys], [content_id for _, content_id in keys]


def _contents_of(event: ContentEvent) -> list[tuple[UUID, Content]]:
    """Return the contents that the event brings, each with the id under which it is kept."""
    match event:
        case CampaignSendingStarted(campaign_id=campaign_id, content=content, ab_test=test) if test:
            return [(variant_id(campaign_id, variant.key), _of_variant(content, variant)) for variant in test.variants]
        case CampaignSendingStarted(campaign_id=content_id) | CampaignWinnerDecided(campaign_id=content_id):
            return [(content_id, event.content)]
        case TemplateCreated(template_id=content_id) | TemplateUpdated(template_id=content_id):
            return [(content_id, event.content)]


def _of_variant(content: Content, variant: FrozenVariant) -> Content:
    subject, body = variant.subject, variant.body
    return replace(
        content,
        subject=content.subject if subject is None else subject,
        body=content.body if body is None else body,
    )
