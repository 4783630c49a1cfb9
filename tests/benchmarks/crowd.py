"""A queue to measure on: a campaign fanned out to many readers, before delivery's first claim.

Set-based SQL writes it into delivery's own tables, because fan-out is measured elsewhere.
"""

from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Meta
from libs.schemas.delivery.content import Content

DOMAIN = "example.com"
CONTENT = Content(subject="News", body="<p>Hello {{ email }}: news</p>", from_email=f"team@{DOMAIN}")

VOUCH = """
insert into domain (project, id, domain, verified, tokens, version, created_at, updated_at, vouched)
values ($1, $2, $3, true, '{}', 2, now(), now(), true)
on conflict (project, domain) do nothing
"""
SAY = "insert into content (project, id, content, version) values ($1, $2, $3, 1)"
# Ids sort by creation time, like those of real mails.
KNOW = """
insert into recipient (project, contact_id, data, data_version, subscribed, subscription_version)
select $1, (lpad(to_hex(n), 12, '0') || '70008000' || substr(md5($2::uuid::text || n), 1, 12))::uuid, '{}', 1, true, 1
from generate_series(1, $3::int) as n
"""
QUEUE = """
insert into email (id, project, contact_id, recipient, source, lane, campaign_id, content_id, data, meta, due_at,
    created_at, updated_at)
select (lpad(to_hex(n), 12, '0') || '70008000' || substr(md5('mail' || $2::uuid::text || n), 1, 12))::uuid, $1,
    (lpad(to_hex(n), 12, '0') || '70008000' || substr(md5($2::uuid::text || n), 1, 12))::uuid,
    'reader.' || n || '@example.net', 'CAMPAIGN', 2, $2, $2, '{}', $4, now(), now(), now()
from generate_series(1, $3::int) as n
"""
LEAVE = "delete from email where project = $1 and campaign_id = $2 and state = 'queued'"


async def gather(conn: "asyncpg.Connection[Any]", project: UUID, people: int) -> UUID:
    """Queue a campaign to this many readers, and return its id. `conn` has delivery's schema as search_path and may
    analyze.
    """
    campaign = uuid7()
    await conn.execute(VOUCH, project, uuid7(), DOMAIN)
    await conn.execute(SAY, project, campaign, encode(CONTENT).decode())
    await conn.execute(KNOW, project, campaign, people)
    await conn.execute(QUEUE, project, campaign, people, encode(Meta(actor="bench")).decode())
    await conn.execute("analyze email")
    await conn.execute("analyze recipient")
    return campaign


async def scatter(conn: "asyncpg.Connection[Any]", project: UUID, campaign: UUID) -> None:
    """Delete the mails that are not claimed yet."""
    await conn.execute(LEAVE, project, campaign)
