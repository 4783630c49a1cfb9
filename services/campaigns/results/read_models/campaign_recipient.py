"""Every recipient of every campaign, with the state and the history of their mail.

A row is created by whichever event arrives first: the page of the audience, or one about the mail. The state is that of
the mail's event with the highest version, times are the earliest of their kind, and counts only grow. So the order in
which events arrive does not matter.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.results import RecipientState
from libs.schemas.contacts.contacts import AudiencePageResolved, ContactDeleted
from libs.schemas.delivery.emails import (
    EmailCancelled,
    EmailFailed,
    EmailRequeued,
    EmailSent,
    EmailSuppressed,
    EmailUnresolved,
)
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailDelivered,
    EmailOpened,
)

NAME = "campaign_recipient"
TABLES = ("campaign_recipient", "campaign_doubt")
EVENTS = (
    AudiencePageResolved,
    EmailSent,
    EmailFailed,
    EmailSuppressed,
    EmailCancelled,
    EmailUnresolved,
    EmailRequeued,
    EmailDelivered,
    EmailOpened,
    EmailClicked,
    EmailBounced,
    EmailComplained,
    ContactDeleted,
)
# A third of each page is left free, so that updates stay on the page and touch no index.
DDL = """
create table if not exists campaign_recipient (
    project uuid not null,
    campaign_id uuid not null,
    contact_id uuid not null,
    email text,
    email_id uuid,
    state text not null,
    state_version int not null,
    reason text,
    sent_at timestamptz,
    delivered_at timestamptz,
    opened_at timestamptz,
    clicked_at timestamptz,
    bounced_at timestamptz,
    soft_bounced_at timestamptz,
    complained_at timestamptz,
    opens int not null,
    clicks int not null,
    primary key (project, campaign_id, contact_id)
) with (fillfactor = 66);

alter table campaign_recipient add column if not exists variant text;       -- only of recipients in an A/B test

-- Mails that were ever unknown. There are few of them, so counting those that still are is cheap.
create table if not exists campaign_doubt (
    project uuid not null,
    campaign_id uuid not null,
    contact_id uuid not null,
    primary key (project, campaign_id, contact_id)
);
"""

MERGE = """
insert into campaign_recipient as kept (project, campaign_id, contact_id, email_id, state, state_version, reason,
    sent_at, delivered_at, opened_at, clicked_at, bounced_at, soft_bounced_at, complained_at, opens, clicks)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::text[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
    $13::timestamptz[], $14::timestamptz[], $15::int[], $16::int[])
on conflict (project, campaign_id, contact_id) do update set
    email_id = coalesce(kept.email_id, excluded.email_id),
    state = case when excluded.state_version > kept.state_version then excluded.state else kept.state end,
    reason = case when excluded.state_version > kept.state_version then excluded.reason else kept.reason end,
    state_version = greatest(kept.state_version, excluded.state_version),
    sent_at = least(kept.sent_at, excluded.sent_at),
    delivered_at = least(kept.delivered_at, excluded.delivered_at),
    opened_at = least(kept.opened_at, excluded.opened_at),
    clicked_at = least(kept.clicked_at, excluded.clicked_at),
    bounced_at = least(kept.bounced_at, excluded.bounced_at),
    soft_bounced_at = least(kept.soft_bounced_at, excluded.soft_bounced_at),
    complained_at = least(kept.complained_at, excluded.complained_at),
    opens = kept.opens + excluded.opens,
    clicks = kept.clicks + excluded.clicks
"""
# A page only brings three columns, the others are the same for all its rows: this takes a fifth of the time of MERGE.
ADD_PAGE = """
insert into campaign_recipient as kept (project, campaign_id, contact_id, email, variant, state, state_version, opens,
    clicks)
select $1, $2, contact_id, email, variant, 'queued', 0, 0, 0
from unnest($3::uuid[], $4::text[], $5::text[]) as member (contact_id, email, variant) order by contact_id
on conflict (project, campaign_id, contact_id) do update set
    email = coalesce(kept.email, excluded.email), variant = excluded.variant
"""
ADD_UNKNOWN = """
insert into campaign_doubt (project, campaign_id, contact_id)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[])
on conflict do nothing
"""
# Only pages bring addresses. A page with a contact always arrives before the contact's deletion, and everything that
# arrives later is without an address.
ERASE = """
update campaign_recipient set email = null
from unnest($1::uuid[], $2::uuid[]) as deleted (project, contact_id)
where campaign_recipient.project = deleted.project and campaign_recipient.contact_id = deleted.contact_id
"""
UNKNOWN = """
select count(*) from campaign_doubt join campaign_recipient using (project, campaign_id, contact_id)
where project = $1 and campaign_id = $2 and campaign_recipient.state = 'unknown'
"""
# Recipients who are not in the test get the winner ($6), once there is one.
PAGE = """
select kept.contact_id, kept.email, kept.email_id, kept.state as status, kept.reason, kept.sent_at, kept.delivered_at,
    kept.opened_at, kept.clicked_at, kept.bounced_at, kept.soft_bounced_at, kept.complained_at, kept.opens, kept.clicks,
    coalesce(mail.unsubscribed, false) as unsubscribed, coalesce(kept.variant, $6) as variant,
    kept.variant is not null as in_test
from campaign_recipient as kept
left join campaign_mail as mail on mail.project = kept.project and mail.email_id = kept.email_id
where kept.project = $1 and kept.campaign_id = $2 and kept.contact_id > $3
    and ($4::text is null or kept.state = $4
        or ($4 = 'delivered' and kept.delivered_at is not null)
        or ($4 = 'opened' and kept.opened_at is not null)
        or ($4 = 'clicked' and kept.clicked_at is not null)
        or ($4 = 'bounced' and (kept.bounced_at is not null or kept.soft_bounced_at is not null))
        or ($4 = 'complained' and kept.complained_at is not null)
        or ($4 = 'unsubscribed' and mail.unsubscribed)
        or ($4 = 'not_opened' and kept.state = 'sent' and kept.opened_at is null))
    and ($7::text is null or coalesce(kept.variant, $6::text) = $7)
order by kept.contact_id
limit $5
"""

Key = tuple[UUID, UUID, UUID]
STATES: dict[type, RecipientState] = {
    EmailSent: "sent",
    EmailFailed: "failed",
    EmailSuppressed: "suppressed",
    EmailCancelled: "cancelled",
    EmailUnresolved: "unknown",
    EmailRequeued: "queued",
}
START = UUID(int=0)


class RecipientFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which recipients a query is for. None means all.

    `winner` is the variant of the recipients who are not in the campaign's A/B test.
    """

    status: str | None = None
    variant: str | None = None
    winner: str | None = None


class _Changes(msgspec.Struct):
    """What a batch of events says about one recipient. Version 0 means that it does not say the mail's state."""

    email_id: UUID | None = None
    state: RecipientState = "queued"
    state_version: int = 0
    reason: str | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    bounced_at: datetime | None = None
    soft_bounced_at: datetime | None = None
    complained_at: datetime | None = None
    opens: int = 0
    clicks: int = 0


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    rows: dict[Key, _Changes] = {}
    unknowns: set[Key] = set()
    for event in events:
        if isinstance(event.message, AudiencePageResolved):
            await _add_page(conn, event.project, event.message)
        else:
            _fold(rows, unknowns, event)
    if rows:
        keys = sorted(rows)
        columns = [[getattr(rows[key], name) for key in keys] for name in _Changes.__struct_fields__]
        await conn.execute(MERGE, *_columns(keys), *columns)
    if unknowns:
        await conn.execute(ADD_UNKNOWN, *_columns(sorted(unknowns)))
    deleted = [(e.project, e.message.contact_id) for e in events if isinstance(e.message, ContactDeleted)]
    if deleted:
        await conn.execute(ERASE, [project for project, _ in deleted], [contact_id for _, contact_id in deleted])


async def _add_page(conn: Connection, project: UUID, page: AudiencePageResolved) -> None:
    await conn.execute(
        ADD_PAGE,
        project,
        page.campaign_id,
        [member.contact_id for member in page.members],
        [member.email for member in page.members],
        [member.variant for member in page.members],
    )


async def unknown(conn: Connection, project: UUID, campaign_id: UUID) -> int:
    """Return the number of mails whose state is unknown: SES may or may not have accepted them."""
    count: int = await conn.fetchval(UNKNOWN, project, campaign_id)
    return count


async def page(
    conn: Connection, project: UUID, campaign_id: UUID, after: UUID, matching: RecipientFilter, limit: int
) -> list[asyncpg.Record]:
    """Return the next recipients that match the filter, ordered by contact id, starting after `after`."""
    variants = (matching.winner, matching.variant)
    return list(await conn.fetch(PAGE, project, campaign_id, after, matching.status, limit, *variants))


def _fold(rows: dict[Key, _Changes], unknowns: set[Key], event: Envelope[Any]) -> None:
    message = event.message
    if not isinstance(message, ContactDeleted) and message.campaign_id is not None:
        key = (event.project, message.campaign_id, message.contact_id)
        row = rows.setdefault(key, _Changes())
        row.email_id = message.email_id
        if isinstance(message, EmailUnresolved):
            unknowns.add(key)
        _note(row, event)


def _note(row: _Changes, event: Envelope[Any]) -> None:
    message = event.message
    state = STATES.get(type(message))
    if state and event.version > row.state_version:
        row.state, row.state_version, row.reason = state, event.version, getattr(message, "reason", None)
    match message:
        case EmailSent():
            row.sent_at = _earliest(row.sent_at, event.at)
        case EmailDelivered(at=at):
            row.delivered_at = _earliest(row.delivered_at, at)
        case EmailOpened(at=at, machine=False):
            row.opened_at, row.opens = _earliest(row.opened_at, at), row.opens + 1
        case EmailClicked(at=at, machine=False):
            row.clicked_at, row.clicks = _earliest(row.clicked_at, at), row.clicks + 1
        case EmailBounced(at=at, bounce_type="Transient"):
            row.soft_bounced_at = _earliest(row.soft_bounced_at, at)
        case EmailBounced(at=at):
            row.bounced_at = _earliest(row.bounced_at, at)
        case EmailComplained(at=at):
            row.complained_at = _earliest(row.complained_at, at)


def _earliest(before: datetime | None, at: datetime) -> datetime:
    return min(before, at) if before else at


def _columns(keys: Sequence[Key]) -> list[list[UUID]]:
    return [[key[part] for key in keys] for part in range(3)]
