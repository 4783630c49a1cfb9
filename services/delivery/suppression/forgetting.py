"""Forgets deleted contacts: their queued mails are not sent, and their sent mails are only counted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.data_keys import erase_data_keys, forgotten_subjects
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Message
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.suppressions import AddressForgotten
from services.delivery.ledger import ledger
from services.delivery.ledger.email import withdraw
from services.delivery.suppression import address_hash
from services.delivery.suppression.read_models import suppressed_address

SECOND_RUN_AFTER = timedelta(hours=3)
"""Longer than a mail can be claimed, or normally stay unknown."""

QUEUED = """
select id from email
where (project, contact_id) in (select * from unnest($1::uuid[], $2::uuid[])) and state = 'queued'
for update skip locked
"""
# Those that are on the list, or have been.
ADDRESSES = """
select distinct lower(recipient) as address from email
where project = $1 and contact_id = $2 and exists (
    select from suppressed_address as listed where listed.project = $1 and listed.address = lower(recipient))
"""
# Locks in the order of ids, as the ledger does.
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
    """Look again for mails of a deleted contact that were being sent, or were requested late."""

    contact_id: UUID


async def begin(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    """Withdraw and blank what can be, and look again later."""
    await erase_data_keys(unit.conn, forgotten_subjects(envelopes))
    await _forget_addresses(unit, envelopes)
    await forget_mails(unit, envelopes)
    for envelope in envelopes:
        contact_id = envelope.message.contact_id
        await unit.schedule_in(str(contact_id), SECOND_RUN_AFTER, ForgetMails(contact_id=contact_id), envelope)


async def forget_mails(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Withdraw the contacts' queued mails, and blank those that are final."""
    contacts = [e.project for e in envelopes], [e.message.contact_id for e in envelopes]
    queued = [row["id"] for row in await unit.conn.fetch(QUEUED, *contacts)]
    emails = await ledger.read(unit.conn, queued)
    await ledger.apply(unit, [(email, withdraw(email)) for email in emails])
    await unit.conn.execute(BLANK, *contacts)


async def _forget_addresses(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    """Keep the contacts' addresses on the list, but only as hashes."""
    for envelope in envelopes:
        rows = await unit.conn.fetch(ADDRESSES, envelope.project, envelope.message.contact_id)
        addresses = [row["address"] for row in rows]
        if addresses:
            await _forget_listed(unit, envelope, addresses)


async def _forget_listed(unit: UnitOfWork, envelope: Envelope[ContactDeleted], addresses: Sequence[str]) -> None:
    hashes = await address_hash.hashes(unit.conn, envelope.project, addresses)
    listed = await suppressed_address.listed(unit.conn, envelope.project, addresses)
    for address in addresses:
        unit.append(_forgotten(address, hashes[address], listed.get(address)), envelope)
    await unit.flush()
    await erase_data_keys(unit.conn, {(envelope.project, hash_) for hash_ in hashes.values()})


def _forgotten(address: str, hash_: UUID, entry: asyncpg.Record | None) -> list[AddressForgotten]:
    """Return an event for what SES reported of the address and one for any other reason of its entry."""
    reason, report = (entry["reason"], entry["report"]) if entry else (None, None)
    reasons = [reason, report] if report and report != reason else [reason]
    return [
        AddressForgotten(entry_id=uuid7(), address=address, contact_id=hash_, reason=each, reported=each == report)
        for each in reasons
    ]
