"""What is known of each mail, one row per mail. The row is also the state of the decider."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelayed,
    EmailDelivered,
    EmailOpened,
    EmailRejected,
    FeedbackEvent,
)
from services.feedback.mails.email_feedback import INITIAL, EmailFeedbackState, evolve

NAME = "email_feedback"
TABLES = ("email_feedback",)
EVENTS = (
    EmailConfirmed,
    EmailDelivered,
    EmailOpened,
    EmailClicked,
    EmailBounced,
    EmailComplained,
    EmailDelayed,
    EmailRejected,
)

DDL = """
create table if not exists email_feedback (
    project uuid not null,
    email_id uuid not null,
    version int not null,
    message_ids text[] not null,
    confirmed_at timestamptz,
    delivered_at timestamptz,
    opened_at timestamptz,
    clicked_at timestamptz,
    bounced_at timestamptz,
    soft_bounced_at timestamptz,
    complained_at timestamptz,
    delayed_at timestamptz,
    rejected_at timestamptz,
    opens int not null,
    clicks int not null,
    machine_opens int not null,
    machine_clicks int not null,
    primary key (project, email_id)
)
"""

LOAD = """
select f.*
from email_feedback f
join unnest($1::uuid[], $2::uuid[]) as wanted (project, email_id) using (project, email_id)
"""

FIND = "select * from email_feedback where project = $1 and email_id = $2"
MESSAGE_IDS = """
select email_id, message_ids from email_feedback
where project = $1 and email_id = any($2::uuid[]) and message_ids <> '{}'
"""

# The message ids of a mail come as one text, because unnest would flatten nested arrays.
ADD = """
insert into email_feedback as f (
    project, email_id, version, message_ids, confirmed_at, delivered_at, opened_at, clicked_at, bounced_at,
    soft_bounced_at, complained_at, delayed_at, rejected_at, opens, clicks, machine_opens, machine_clicks
)
select project, email_id, version, string_to_array(message_ids, ' '), confirmed_at, delivered_at, opened_at, clicked_at,
    bounced_at, soft_bounced_at, complained_at, delayed_at, rejected_at, opens, clicks, machine_opens, machine_clicks
from unnest(
    $1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
    $13::timestamptz[], $14::int[], $15::int[], $16::int[], $17::int[]
) as new (
    project, email_id, version, message_ids, confirmed_at, delivered_at, opened_at, clicked_at, bounced_at,
    soft_bounced_at, complained_at, delayed_at, rejected_at, opens, clicks, machine_opens, machine_clicks
)
on conflict (project, email_id) do update set
    version = excluded.version,
    message_ids = case when excluded.message_ids = '{}' then f.message_ids
        else array(select distinct unnest(f.message_ids || excluded.message_ids) order by 1) end,
    confirmed_at = least(f.confirmed_at, excluded.confirmed_at),
    delivered_at = least(f.delivered_at, excluded.delivered_at),
    opened_at = least(f.opened_at, excluded.opened_at),
    clicked_at = least(f.clicked_at, excluded.clicked_at),
    bounced_at = least(f.bounced_at, excluded.bounced_at),
    soft_bounced_at = least(f.soft_bounced_at, excluded.soft_bounced_at),
    complained_at = least(f.complained_at, excluded.complained_at),
    delayed_at = least(f.delayed_at, excluded.delayed_at),
    rejected_at = least(f.rejected_at, excluded.rejected_at),
    opens = f.opens + excluded.opens,
    clicks = f.clicks + excluded.clicks,
    machine_opens = f.machine_opens + excluded.machine_opens,
    machine_clicks = f.machine_clicks + excluded.machine_clicks
"""

Key = tuple[UUID, UUID]
"""Project and mail."""


async def project(conn: Connection, events: Sequence[Envelope[FeedbackEvent]]) -> None:
    """Add what the events say to the row of each mail."""
    added: dict[Key, EmailFeedbackState] = {}
    versions: dict[Key, int] = {}
    for event in events:
        key = (event.project, event.message.email_id)
        added[key] = evolve(added.get(key, INITIAL), event.message)
        versions[key] = event.version
    # always in the same order, so that two replicas cannot deadlock; numbers compare faster than UUIDs
    keys = sorted(added, key=lambda key: (key[0].int, key[1].int))
    columns = zip(*((*key, versions[key], *_values(added[key])) for key in keys), strict=True)
    await conn.execute(ADD, *columns)


async def load(conn: Connection, keys: Iterable[Key]) -> Mapping[Key, tuple[EmailFeedbackState, int]]:
    """Return the state and the version of each mail that has a row."""
    projects, emails = zip(*keys, strict=True)
    rows = await conn.fetch(LOAD, projects, emails)
    return {(row["project"], row["email_id"]): (_state(row), row["version"]) for row in rows}


async def find(conn: Connection, project: UUID, email_id: UUID) -> EmailFeedbackState:
    """Return what is known of a mail, INITIAL if nothing is."""
    row = await conn.fetchrow(FIND, project, email_id)
    return _state(row) if row else INITIAL


async def message_ids(conn: Connection, project: UUID, email_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the ids under which SES has accepted each mail. Mails without a confirmation are left out."""
    rows = await conn.fetch(MESSAGE_IDS, project, email_ids)
    return {row["email_id"]: row["message_ids"] for row in rows}


def _values(state: EmailFeedbackState) -> tuple[object, ...]:
    return (" ".join(sorted(state.message_ids)), *msgspec.structs.astuple(state)[1:])


def _state(row: asyncpg.Record) -> EmailFeedbackState:
    fields = {name: row[name] for name in EmailFeedbackState.__struct_fields__}
    return EmailFeedbackState(**fields | {"message_ids": frozenset(row["message_ids"])})
