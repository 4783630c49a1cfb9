"""Changing what is in the ledger: whole batches, each change only if nothing else changed the intent meanwhile."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import stream_of
from libs.runtime.eventstore.envelope import Origin, meta_of
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.content import Content, MailOptions
from services.delivery.ledger import metrics
from services.delivery.ledger.email import Change, Heard
from services.delivery.ledger.mail import PLAIN, Mail
from services.delivery.rendering.content_cache import Shelf
from services.delivery.suppression.address_hash import PERSON

# Rows are locked in the order of their ids, so that batches that share some cannot deadlock. SES's own answer that it
# took the mail also settles an intent that was given up as unknown meanwhile. Where a notification proved the mail sent
# while a call was under way, no outcome of the call may have it sent again, or failed: the reconciler settles it.
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
returning email.id, email.state, email.version, cardinality(email.message_ids) as taken
"""

# One row at most, whether the address stands on the list by its name or by none.
LISTING = f"""left join lateral (
    select reason, released_at from suppressed_address
    where project = {{project}} and address in ({{address}}, {PERSON})
    order by reason nulls last limit 1
) listing on true"""  # noqa: S608 - a constant
# What a reader's mailbox said before, or that somebody put the address on a list: the same for all who ask, so that
# what is foretold of a reader is what the claim decides.
LISTED = """
    case when recipient.erased then 'erased'
        when listing.reason = 'MANUAL' or account_suppression.address is not null then 'listed'
        when listing.reason in ('BOUNCE', 'REPEATED_BOUNCE') then 'bounced'
        when suppression.bounced_at > greatest(suppression.subscribed_at, listing.released_at) then 'bounced'
        when listing.reason = 'COMPLAINT' then 'complained'
        when suppression.complained_at > greatest(suppression.subscribed_at, listing.released_at) then 'complained'
        end
"""
# What is planned for every batch: with eight tables to join it took longer to plan than to do.
LOAD = f"""
select email.id, email.project, email.contact_id, email.recipient, email.source, email.campaign_id, email.workflow_id,
    email.execution_id, email.state, email.claim, email.claimed_at, email.attempt, email.message_ids,
    email.content_id, email.content, email.overrides, email.data, email.meta, email.extras,
    (select version from content where content.project = email.project and content.id = email.content_id)
        as content_version,
    project_language.language, project_language.timezone,
    coalesce(project_language.tracking, true) as tracking,
    coalesce(recipient.data, '{{}}') as contact_data, coalesce(recipient.subscribed, true) as subscribed,
    coalesce((select true from campaign_policy where campaign_policy.project = email.project
        and campaign_policy.campaign_id = email.campaign_id), false) as never_again,
    {LISTED} as listed
from email
left join recipient on recipient.project = email.project and recipient.contact_id = email.contact_id
left join project_language on project_language.project = email.project
left join suppression on suppression.project = email.project and suppression.contact_id = email.contact_id
{LISTING.format(project="email.project", address="lower(email.recipient)")}
left join account_suppression on account_suppression.address = lower(email.recipient)
where email.id = any($1::uuid[])
"""  # noqa: S608 - a constant

HEARD = """
update heard set at = greatest(at, least($1, clock_timestamp())),
    late_at = case when $2 then clock_timestamp() else late_at end
where at is null or at < $1 or $2
"""
LAST_HEARD = "select at, late_at from heard"

NOT_THERE = Content(subject="", body="", from_email="")

_decode_extras = msgspec.json.Decoder(MailOptions).decode


async def load(conn: Connection, ids: Sequence[UUID], shelf: Shelf, begun: float = 0.0) -> list[Mail]:
    """The intents with all that their mails are made of. Content that has not arrived is empty."""
    rows = await conn.fetch(LOAD, ids) if ids else []
    contents = await shelf.contents_of(conn, rows)
    return [
        Mail(
            id=row["id"],
            project=row["project"],
            contact_id=row["contact_id"],
            recipient=row["recipient"],
            source=row["source"],
            campaign_id=row["campaign_id"],
            workflow_id=row["workflow_id"],
            execution_id=row["execution_id"],
            state=row["state"],
            claim=row["claim"],
            claimed_at=row["claimed_at"],
            attempt=row["attempt"],
            message_ids=tuple(row["message_ids"]),
            content=contents.get(row["id"], NOT_THERE),
            data=row["data"],
            contact_data=row["contact_data"],
            subscribed=row["subscribed"],
            listed=row["listed"],
            language=row["language"],
            timezone=row["timezone"],
            tracked=extras.tracking and (row["tracking"] or row["source"] == "TRANSACTIONAL"),
            meta=row["meta"],
            begun=begun,
            extras=extras,
            one_time_code=extras.one_time_code,
            never_again=row["never_again"],
        )
        for row in rows
        for extras in [_decode_extras(row["extras"]) if row["extras"] else PLAIN]
    ]


async def apply(unit: UnitOfWork, changes: Iterable[tuple[Mail, Change]]) -> set[UUID]:
    """Make the changes and say so. A change to an intent that is no longer as it was read does nothing.

    Answers the ids of those that were changed.
    """
    by_id = {mail.id: (mail, change) for mail, change in changes}
    if not by_id:
        return set()
    rows = await unit.conn.fetch(APPLY, *_columns(list(by_id.values())))
    for row in rows:
        mail, change = by_id[row["id"]]
        metrics.CHANGES.labels(row["state"]).inc()
        if row["taken"] > 1 and change.message_id and not change.resolved:
            metrics.DUPLICATES.inc()
        if change.event and row["state"] == change.state:
            unit.expect(stream_of(change.event), row["version"] - 1)
            unit.append([change.event], Origin(project=mail.project, meta=meta_of(mail.meta)))
    metrics.STALE.inc(len(by_id) - len(rows))
    return {row["id"] for row in rows}


async def hear(conn: Connection, at: datetime, late: bool) -> None:
    """Note that a notification told of something that happened at this time, and whether any came late."""
    await conn.execute(HEARD, at, late)


async def last_heard(conn: Connection) -> Heard:
    [row] = await conn.fetch(LAST_HEARD)
    return Heard(row["at"], row["late_at"])


def _columns(changes: Sequence[tuple[Mail, Change]]) -> list[list[Any]]:
    return [
        [mail.id for mail, _ in changes],
        [mail.claim for mail, _ in changes],
        [mail.state for mail, _ in changes],
        [change.state for _, change in changes],
        [change.due_in for _, change in changes],
        [change.uncounted for _, change in changes],
        [change.message_id for _, change in changes],
        [change.resolved for _, change in changes],
        [change.reason for _, change in changes],
        [change.event is not None for _, change in changes],
    ]
