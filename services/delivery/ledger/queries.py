"""Queries on emails and on the ledger."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import asdict

from libs.kernel.addresses import normalize_address
from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.delivery.emails import EmailDetail, EmailPage, EmailView, GetEmail, ListEmails
from libs.schemas.delivery.sending import GetLedger, Ledger
from services.delivery.ledger.timeline import entry

GET = """
select id, contact_id, recipient, source, state, campaign_id, workflow_id, message_id, attempt, reason, created_at,
    updated_at
from email where project = $1 and id = $2
"""
PAGE = """
select id, contact_id, recipient, source, state, campaign_id, workflow_id, message_id, attempt, reason, created_at,
    updated_at
from email
where project = $1 and (created_at, id) < ($8, $9) and ($2::text is null or state = $2)
    and ($3::uuid is null or campaign_id = $3) and ($4::uuid is null or workflow_id = $4)
    and ($5::uuid is null or contact_id = $5) and ($6::text is null or source = $6)
    and ($7::text is null or recipient = $7)
order by created_at desc, id desc
limit $10
"""
COUNT = """
select count(*) from email
where project = $1 and ($2::text is null or state = $2)
    and ($3::uuid is null or campaign_id = $3) and ($4::uuid is null or workflow_id = $4)
    and ($5::uuid is null or contact_id = $5) and ($6::text is null or source = $6)
    and ($7::text is null or recipient = $7)
"""
EVENTS = """
select type, recorded_at, data - array['content', 'data', 'extras'] as event
from events where project = $1 and stream = $2 order by version
"""
LEDGER = """
select count(*) as intents,
    count(*) filter (where state = 'queued') as queued,
    count(*) filter (where state = 'claimed') as claimed,
    count(*) filter (where state = 'unknown') as unknown,
    count(*) filter (where state = 'sent') as sent,
    count(*) filter (where state = 'failed') as failed,
    count(*) filter (where state = 'suppressed') as suppressed,
    count(*) filter (where state = 'cancelled') as cancelled,
    count(*) filter (where state = 'sent' and resolved) as resolved,
    count(*) filter (where attempt > 1) as resent,
    count(*) filter (where cardinality(message_ids) > 1) as duplicates
from email where project = $1 and ($2::uuid is null or campaign_id = $2)
"""

MAX_PAGE = 100
FIRST = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""The position before the newest mail, where a listing starts."""


async def get_email(conn: Connection, project: UUID, query: GetEmail) -> EmailDetail:
    view = await view_of(conn, project, query.email_id)
    rows = await conn.fetch(EVENTS, project, f"email-{query.email_id}")
    timeline = [entry(row["type"], row["recorded_at"], msgspec.json.decode(row["event"])) for row in rows]
    return EmailDetail(**asdict(view), timeline=timeline)


async def view_of(conn: Connection, project: UUID, email_id: UUID) -> EmailView:
    """Return the view of the mail. Raise Rejected if the project has none with this id."""
    row = await conn.fetchrow(GET, project, email_id)
    if row is None:
        raise Rejected("EMAIL_NOT_FOUND", "Email not found")
    return _view(row)


async def list_emails(conn: Connection, project: UUID, query: ListEmails) -> EmailPage:
    limit = max(1, min(query.limit, MAX_PAGE))
    created_at, last = _position(query.cursor)
    recipient = query.recipient and (normalize_address(query.recipient) or query.recipient)
    wanted = (query.state, query.campaign_id, query.workflow_id, query.contact_id, query.source, recipient)
    rows = await conn.fetch(PAGE, project, *wanted, created_at, last, limit + 1)
    more = len(rows) > limit
    total = 0 if query.cursor else await conn.fetchval(COUNT, project, *wanted)
    return EmailPage(
        data=[_view(row) for row in rows[:limit]],
        cursor=_cursor(rows[limit - 1]) if more else None,
        has_more=more,
        total=total,
    )


async def get_ledger(conn: Connection, project: UUID, query: GetLedger) -> Ledger:
    counts: dict[str, Any] = dict(await conn.fetchrow(LEDGER, project, query.campaign_id) or {})
    return Ledger(**counts)


def _view(row: asyncpg.Record) -> EmailView:
    return EmailView(
        id=row["id"],
        contact_id=row["contact_id"],
        recipient=row["recipient"],
        source=row["source"],
        state=row["state"],
        campaign_id=row["campaign_id"],
        workflow_id=row["workflow_id"],
        message_id=row["message_id"],
        attempt=row["attempt"],
        reason=row["reason"],
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
    )


def _cursor(row: asyncpg.Record) -> str:
    return f"{row['created_at'].isoformat()}_{row['id']}"


def _position(cursor: str | None) -> tuple[datetime, UUID]:
    if cursor is None:
        return FIRST
    at, _, last = cursor.partition("_")
    try:
        position = datetime.fromisoformat(at), UUID(last)
    except ValueError as bad:
        raise Rejected("BAD_REQUEST", "Invalid cursor") from bad
    if position[0].tzinfo is None:
        raise Rejected("BAD_REQUEST", "Invalid cursor")
    return position


QUERIES: dict[type[Query], QueryHandler] = {GetEmail: get_email, ListEmails: list_emails, GetLedger: get_ledger}
