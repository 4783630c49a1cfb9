"""Reads and changes intents in batches. A change applies only if nothing else has changed its intent since."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.codec import stream_of
from libs.runtime.eventstore.envelope import Origin, meta_of
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.content import MailOptions
from services.delivery.ledger import metrics
from services.delivery.ledger.email import Change, Email
from services.delivery.ledger.mail import NO_OPTIONS

FIELDS = """email.id, email.project, email.contact_id, email.source, email.campaign_id, email.workflow_id,
    email.execution_id, email.state, email.claim, email.claimed_at, email.attempt, email.message_ids, email.meta,
    email.extras,
    coalesce((select true from campaign_policy where campaign_policy.project = email.project
        and campaign_policy.campaign_id = email.campaign_id), false) as never_resend"""
"""The columns that `fields_of` needs."""

READ = f"select {FIELDS} from email where id = any($1::uuid[])"  # noqa: S608 - a constant

# Rows are locked in the order of their ids, so that overlapping batches cannot deadlock. SES's own answer that it
# accepted the mail also settles an intent that was given up as unknown in the meantime. If a notification proved the
# mail sent while a call was under way, no outcome of that call may requeue or fail it: the reconciler settles it.
APPLY = """
with new as materialized (
    select *, new.state in ('queued', 'failed') as denies
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::float[], $6::boolean[], $7::text[],
        $8::boolean[], $9::text[], $10::boolean[])
    as new (id, claim, before, state, due_in, uncounted, message_id, resolved, reason, lasting)
), locked as materialized (
    select email.id from email join new on new.id = email.id order by email.id for update of email
)
update email set
    state = case when new.denies and email.message_ids <> '{}' then 'unknown' else new.state end,
    attempt = email.attempt - new.uncounted::int,
    due_at = clock_timestamp() + case when email.message_ids <> '{}' then interval '0'
        else make_interval(secs => new.due_in) end,
    message_id = coalesce(email.message_id, new.message_id),
    message_ids = case when new.message_id is null or new.message_id = any(email.message_ids)
        then email.message_ids else email.message_ids || new.message_id end,
    resolved = new.resolved,
    reason = new.reason,
    version = email.version + (new.lasting and not (new.denies and email.message_ids <> '{}'))::int,
    updated_at = clock_timestamp()
from new, locked
where email.id = new.id and locked.id = new.id and email.claim is not distinct from new.claim
    and (email.state = new.before or (email.state = 'unknown' and new.state = 'sent'))
returning email.id, email.state, email.version, cardinality(email.message_ids) as accepted
"""

_decode_options = msgspec.json.Decoder(MailOptions).decode


async def read(conn: Connection, ids: Sequence[UUID]) -> list[Email]:
    """Return the intents with these ids."""
    rows = await conn.fetch(READ, ids) if ids else []
    return [Email(**fields_of(row, options_of(row))) for row in rows]


def fields_of(row: asyncpg.Record, options: MailOptions) -> dict[str, Any]:
    """Return the fields of an Email from a row with the columns of FIELDS."""
    return {
        "id": row["id"],
        "project": row["project"],
        "contact_id": row["contact_id"],
        "source": row["source"],
        "campaign_id": row["campaign_id"],
        "workflow_id": row["workflow_id"],
        "execution_id": row["execution_id"],
        "state": row["state"],
        "claim": row["claim"],
        "claimed_at": row["claimed_at"],
        "attempt": row["attempt"],
        "message_ids": tuple(row["message_ids"]),
        "one_time_code": options.one_time_code,
        "never_resend": row["never_resend"],
        "meta": row["meta"],
    }


def options_of(row: asyncpg.Record) -> MailOptions:
    return _decode_options(row["extras"]) if row["extras"] else NO_OPTIONS


async def apply(unit: UnitOfWork, changes: Iterable[tuple[Email, Change]]) -> set[UUID]:
    """Make the changes and append their events. Return the ids of the intents that changed.

    An intent that has changed since it was read is left alone.
    """
    by_id = {email.id: (email, change) for email, change in changes}
    if not by_id:
        return set()
    rows = await unit.conn.fetch(APPLY, *_columns(list(by_id.values())))
    for row in rows:
        email, change = by_id[row["id"]]
        metrics.CHANGES.labels(row["state"]).inc()
        if row["accepted"] > 1 and change.message_id and not change.resolved:
            metrics.DUPLICATES.inc()
        if change.event and row["state"] == change.state:
            unit.expect(stream_of(change.event), row["version"] - 1)
            unit.append([change.event], Origin(project=email.project, meta=meta_of(email.meta)))
    metrics.STALE.inc(len(by_id) - len(rows))
    return {row["id"] for row in rows}


def _columns(changes: Sequence[tuple[Email, Change]]) -> list[list[Any]]:
    return [
        [email.id for email, _ in changes],
        [email.claim for email, _ in changes],
        [email.state for email, _ in changes],
        [change.state for _, change in changes],
        [change.due_in for _, change in changes],
        [change.uncounted for _, change in changes],
        [change.message_id for _, change in changes],
        [change.resolved for _, change in changes],
        [change.reason for _, change in changes],
        [change.event is not None for _, change in changes],
    ]
