"""Forgetting contacts that are deleted: what waits for them is not sent, and what was sent is only counted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.data_keys import erase_data_keys, forgotten_subjects
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Message
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.suppressions import AddressForgotten
from services.delivery.ledger import ledger
from services.delivery.ledger.email import withdraw
from services.delivery.rendering.content_cache import Shelf
from services.delivery.suppression import address_hash
from services.delivery.suppression.read_models import suppressed_address

LATER = timedelta(hours=3)
"""Longer than a mail that is being sent, or whose sending is in doubt, can stay so."""

WAITING = """
select id from email
where (project, contact_id) in (select * from unnest($1::uuid[], $2::uuid[])) and state = 'queued'
for update skip locked
"""
# Those that stand on the list, or did.
ADDRESSES = """
select distinct lower(recipient) as address from email
where project = $1 and contact_id = $2 and exists (
    select from suppressed_address as listed where listed.project = $1 and listed.address = lower(recipient))
"""
# In the order of ids, as the ledger locks them.
BLANK = """
with final as materialized (
    select id from email
    where (project, contact_id) in (select * from unnest($1::uuid[], $2::uuid[])) and recipient <> ''
        and state in ('sent', 'failed', 'suppressed', 'cancelled')
    order by id for update
)
update email set
    recipient = '',
    data = '{}',
    overrides = null,
    extras = null,
    content = case when content_id is null then '{"subject": "", "body": "", "fromEmail": ""}'::jsonb end
from final where email.id = final.id
"""


class ForgetMails(Message, tag="forget-mails", frozen=True, kw_only=True):
    """Look again for what is left of a deleted contact: mails that were being sent, or that were asked for late."""

    contact_id: UUID


def begin(shelf: Shelf) -> BatchHandler:
    """Withdraw and blank what can be, and look again later."""
    forget_mails = _forget(shelf)

    async def forget(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
        await erase_data_keys(unit.conn, forgotten_subjects(envelopes))
        await _forget_addresses(unit, envelopes)
        await forget_mails(unit, envelopes)
        for envelope in envelopes:
            contact_id = envelope.message.contact_id
            await unit.schedule_in(str(contact_id), LATER, ForgetMails(contact_id=contact_id), envelope)

    return forget


async def _forget_addresses(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    """Whoever must not be written to still must not, but the list no longer says who that is."""
    for envelope in envelopes:
        rows = await unit.conn.fetch(ADDRESSES, envelope.project, envelope.message.contact_id)
        addresses = [row["address"] for row in rows]
        if addresses:
            await _forget_listed(unit, envelope, addresses)


async def _forget_listed(unit: UnitOfWork, envelope: Envelope[ContactDeleted], addresses: Sequence[str]) -> None:
    people = await address_hash.people(unit.conn, envelope.project, addresses)
    listed = await suppressed_address.listed(unit.conn, envelope.project, addresses)
    gone = (
        AddressForgotten(
            entry_id=uuid7(),
            address=address,
            contact_id=people[address],
            reason=listed[address]["reason"] if address in listed else None,
        )
        for address in addresses
    )
    unit.append(gone, envelope)
    await unit.flush()
    await erase_data_keys(unit.conn, {(envelope.project, person) for person in people.values()})


def again(shelf: Shelf) -> BatchHandler:
    return _forget(shelf)


def _forget(shelf: Shelf) -> BatchHandler:
    async def forget(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
        whom = [e.project for e in envelopes], [e.message.contact_id for e in envelopes]
        waiting = [row["id"] for row in await unit.conn.fetch(WAITING, *whom)]
        mails = await ledger.load(unit.conn, waiting, shelf)
        await ledger.apply(unit, [(mail, withdraw(mail)) for mail in mails])
        await unit.conn.execute(BLANK, *whom)

    return forget
