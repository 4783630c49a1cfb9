"""Handle the commands that add contacts to the list of a static segment and remove them from it.

The caller, `services.contacts.segments.commands`, holds the project's memberships lock.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.kernel.rejection import Rejected, invalid
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import SaveContact
from libs.schemas.contacts.segments import (
    AddedMembers,
    AddSegmentMembers,
    RemovedMembers,
    RemoveSegmentMembers,
    SegmentMembersAdded,
    SegmentMembersRemoved,
)
from services.contacts.contacts import contact
from services.contacts.contacts.address import parse
from services.contacts.contacts.commands import load_batch
from services.contacts.contacts.contact_batch import ContactBatch
from services.contacts.segments import transitions
from services.contacts.segments.errors import not_static
from services.contacts.segments.loading import load_segment
from services.contacts.segments.read_models import segment_list
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.transitions import Transition

MAX_EMAILS = 500


async def add_members(unit: UnitOfWork, envelope: Envelope[AddSegmentMembers]) -> AddedMembers:
    row, addresses, batch = await _load(unit, envelope, "add contacts to")
    missing = [address for address in addresses if not _id_of(batch, envelope, address)]
    created = _create_contacts(unit, envelope, missing, batch) if envelope.message.create_missing else 0
    contacts = _contacts_of(batch, envelope, addresses)
    listed = await segment_list.listed(unit.conn, envelope.project, row.id, contacts)
    new = {contact_id: email for contact_id, email in contacts.items() if contact_id not in listed}
    if new:
        unit.append([SegmentMembersAdded(segment_id=row.id, contact_ids=list(new))], envelope)
        await _record(unit, envelope, row, new, entry=True)
    return AddedMembers(added=len(new), created=created, not_found=[] if created else missing)


async def remove_members(unit: UnitOfWork, envelope: Envelope[RemoveSegmentMembers]) -> RemovedMembers:
    row, addresses, batch = await _load(unit, envelope, "remove contacts from")
    contacts = _contacts_of(batch, envelope, addresses)
    listed = await segment_list.listed(unit.conn, envelope.project, row.id, contacts)
    removed = {contact_id: contacts[contact_id] for contact_id in listed}
    if removed:
        unit.append([SegmentMembersRemoved(segment_id=row.id, contact_ids=list(removed))], envelope)
        await _record(unit, envelope, row, removed, entry=False)
    return RemovedMembers(removed=len(removed))


async def _load(unit: UnitOfWork, envelope: Envelope[Any], what: str) -> tuple[SegmentRow, list[str], ContactBatch]:
    """Return the segment, the command's addresses, and their contacts. Raise Rejected if the segment is not static."""
    row = await load_segment(unit, envelope)
    if row.kind != "STATIC":
        raise not_static(what)
    addresses = _addresses(envelope.message.emails)
    return row, addresses, await load_batch(unit, {(envelope.project, address) for address in addresses}, set())


def _addresses(emails: Sequence[str]) -> list[str]:
    """Return the addresses without repetitions. Raise Rejected with the position of the first invalid one."""
    if not emails:
        raise invalid("emails", "At least one email is required", "too_small")
    if len(emails) > MAX_EMAILS:
        raise invalid("emails", f"Must contain at most {MAX_EMAILS} emails", "too_big")
    return list(dict.fromkeys(_address(email, number) for number, email in enumerate(emails)))


def _address(email: str, number: int) -> str:
    try:
        return parse(email)
    except Rejected as rejected:
        raise invalid(f"emails.{number}", rejected.errors[0].message, rejected.errors[0].code) from None


def _id_of(batch: ContactBatch, envelope: Envelope[Any], address: str) -> UUID | None:
    return batch.by_address(envelope.project, address).contact.id


def _contacts_of(batch: ContactBatch, envelope: Envelope[Any], addresses: Collection[str]) -> dict[UUID, str]:
    """Return the addresses that contacts have, by contact id."""
    found = ((_id_of(batch, envelope, address), address) for address in addresses)
    return {contact_id: address for contact_id, address in found if contact_id}


def _create_contacts(
    unit: UnitOfWork, envelope: Envelope[AddSegmentMembers], addresses: Sequence[str], batch: ContactBatch
) -> int:
    command = envelope.message
    for contact_id, address in zip(command.contact_ids, addresses, strict=False):
        save = SaveContact(contact_id=contact_id, email=address, subscribed=command.subscribed)
        state = batch.by_address(envelope.project, address)
        events = contact.decide(save, state.contact)
        unit.append(events, envelope)
        batch.put(envelope.project, state.after(events, unit.now))
    return len(addresses)


async def _record(
    unit: UnitOfWork, envelope: Envelope[Any], row: SegmentRow, contacts: Mapping[UUID, str], *, entry: bool
) -> None:
    await unit.flush()
    moved = [Transition(row.id, contact_id, entry, email) for contact_id, email in contacts.items()]
    causes = dict.fromkeys(contacts, envelope.causes())
    await transitions.record(unit, envelope.project, moved, {row.id: row}, causes)
    await unit.flush()
