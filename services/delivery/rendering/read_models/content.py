"""What mails say: templates, and the content that a campaign froze when it started sending.

A campaign with an A/B test has a content for each variant, and none of its own until the winner is decided.
"""

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.ab_tests import FrozenVariant
from libs.schemas.campaigns.campaigns import CampaignSendingStarted, CampaignWinnerDecided
from libs.schemas.campaigns.templates import TemplateCreated, TemplateDeleted, TemplateUpdated
from libs.schemas.delivery.content import Content
from services.delivery.scheduling.read_models.campaign_experiment import variant_id

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

Key = tuple[UUID, UUID]
Said: TypeAlias = CampaignSendingStarted | CampaignWinnerDecided | TemplateCreated | TemplateUpdated

_decode = msgspec.json.Decoder(Content).decode


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    said: dict[Key, tuple[Content, int]] = {}
    gone: dict[Key, int] = {}
    for event in sorted(events, key=lambda e: e.version):
        if isinstance(event.message, TemplateDeleted):
            key = event.project, event.message.template_id
            gone[key] = event.version
            said.pop(key, None)
        else:
            for content_id, content in _said(event.message):
                said[event.project, content_id] = content, event.version
    if gone:
        await conn.execute(DELETE, *_columns(gone), list(gone.values()), NOTHING)
    contents = [encode(content).decode() for content, _ in said.values()]
    await conn.execute(KEEP, *_columns(said), contents, [version for _, version in said.values()])


async def find(conn: Connection, wanted: Collection[tuple[UUID, UUID]], *, usable: bool = False) -> dict[UUID, Content]:
    """Those of the wanted (project, id) that have arrived, by id; `usable` leaves out templates that were deleted."""
    if not wanted:
        return {}
    rows = await conn.fetch(FIND, *_columns(wanted), usable)
    return {row["id"]: _decode(row["content"]) for row in rows}


def _columns(keys: Collection[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [project for project, _ in keys], [content_id for _, content_id in keys]


def _said(event: Said) -> list[tuple[UUID, Content]]:
    """What the event says, with the id that it is kept under."""
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
