"""Takes notifications as proof that SES accepted a mail."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.schemas.base import Event
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelayed,
    EmailOpened,
    EmailRejected,
    FeedbackEvent,
)
from services.delivery.claiming.mails import load
from services.delivery.ledger import ledger, metrics
from services.delivery.ledger.email import UNSETTLED, prove
from services.delivery.ledger.timing import Timing
from services.delivery.reconciliation import notification_watermark
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.rendering.message import subject_of
from services.delivery.rendering.variables import Links
from services.delivery.suppression import account_list

# The first notification about a mail, whichever it is, brings email.confirmed; the later ones show that notifications
# still arrive. Deliveries are left out: they follow the confirmation in moments, and would double the work.
PROOFS: tuple[type[Event], ...] = (
    EmailConfirmed,
    EmailOpened,
    EmailClicked,
    EmailBounced,
    EmailComplained,
    EmailDelayed,
    EmailRejected,
)

# Records every id under which SES accepted a mail. A claim that a notification proves is looked at again soon: before
# that its sender, if it is alive, writes the outcome itself.
PROVE = """
with proof as materialized (
    select id, project, array_agg(distinct message_id) as message_ids
    from unnest($1::uuid[], $2::uuid[], $3::text[]) as new (id, project, message_id)
    group by id, project
), locked as materialized (
    select email.id from email join proof on proof.id = email.id and proof.project = email.project
    where not proof.message_ids <@ email.message_ids
    order by email.id for update of email
)
update email set
    message_ids = email.message_ids || array(select unnest(proof.message_ids) except select unnest(email.message_ids)),
    due_at = case when email.state = 'claimed' then least(email.due_at, clock_timestamp() + interval '2 seconds')
        else email.due_at end
from proof, locked
where email.id = proof.id and locked.id = proof.id
returning email.id, email.state, cardinality(email.message_ids) as accepted
"""


def settle_proven(links: Links, cache: ContentCache, timing: Timing) -> BatchHandler:
    """Return the handler that marks unknown mails, and mails queued for a resend, as sent once they are proven."""

    async def settle(unit: UnitOfWork, envelopes: Sequence[Envelope[FeedbackEvent]]) -> None:
        events = [e.message for e in envelopes]
        projects = [e.project for e in envelopes]
        ids = [event.email_id for event in events]
        rows = await unit.conn.fetch(PROVE, ids, projects, [event.message_id for event in events])
        metrics.DUPLICATES.inc(sum(row["accepted"] > 1 for row in rows))
        unsettled = [row["id"] for row in rows if row["state"] in UNSETTLED]
        mails = await load(unit.conn, unsettled, cache)
        await ledger.apply(unit, [(mail, prove(mail, subject_of(mail, links))) for mail in mails])
        late = any(_is_late(event, unit.now, timing) for event in events)
        await notification_watermark.advance(unit.conn, max(event.at for event in events), late)
        await _update_account_list(unit.conn, events)

    return settle


def _is_late(event: FeedbackEvent, now: datetime, timing: Timing) -> bool:
    """Return whether the notification arrived late. Bounces and complaints do not tell: their provider dates them."""
    prompt = isinstance(event, EmailConfirmed | EmailOpened | EmailClicked)
    return prompt and now - event.at > timedelta(seconds=timing.late_after)


async def _update_account_list(conn: Connection, events: Sequence[FeedbackEvent]) -> None:
    """Have SES list mailboxes that do not exist and people who complained, in case its own listing is turned off."""
    bounced = {e.recipient for e in events if isinstance(e, EmailBounced) and e.bounce_type == "Permanent"}
    complained = {e.recipient for e in events if isinstance(e, EmailComplained)}
    await account_list.list_reported(conn, {address.lower() for address in bounced if address}, "BOUNCE")
    await account_list.list_reported(conn, {address.lower() for address in complained if address}, "COMPLAINT")
