"""Bounds the mails that strangers can have a workflow send to one contact, by tracking events with a public key."""

from collections.abc import Collection, Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from services.delivery.ledger.mail import Mail

# Every mail counts those before it, in an order that never changes, so that it does not matter who claims which first.
OVER_CAP = """
select email.id from email
where email.id = any($1::uuid[]) and (
    select count(*) from email as earlier
    where earlier.project = email.project and earlier.contact_id = email.contact_id
        and earlier.source = 'WORKFLOW' and earlier.extras ->> 'trustedData' = 'false'
        and earlier.state <> 'suppressed'
        and earlier.created_at > email.created_at - interval '24 hours'
        and (earlier.created_at, earlier.id) < (email.created_at, email.id)
) >= $2
"""


async def over_cap(conn: Connection, mails: Sequence[Mail], cap: int) -> Collection[UUID]:
    """Return the ids of the mails before which `cap` others went to the same contact within a day; 0: no limit."""
    asked_for = [mail.id for mail in mails if mail.source == "WORKFLOW" and not mail.extras.trusted_data]
    if not asked_for or not cap:
        return ()
    return {row["id"] for row in await conn.fetch(OVER_CAP, asked_for, cap)}
