"""Handle the commands about contacts: load all contacts of a batch in one query, then decide, append and reply in
order."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from msgspec.structs import asdict

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Command, View
from libs.schemas.contacts.contacts import (
    ContactCreated,
    DeleteContact,
    DeletedContact,
    SaveContact,
    SavedContact,
    SavedMeta,
    TrackedEvent,
    TrackEvent,
    UpdateContact,
)
from services.contacts.contacts import contact, snooze
from services.contacts.contacts.address import parse
from services.contacts.contacts.contact_batch import ContactBatch, ContactState
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.views import contact_view


async def change_contacts(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
    """Handle a batch in order. All commands about contacts share this handler, so none overtakes another."""
    batch = await load_batch(unit, set(_addresses(envelopes)), set(_ids(envelopes)))
    replies = [_handle(unit, batch, envelope) for envelope in envelopes]
    await snooze.schedule_ends(unit, envelopes)
    return replies


async def load_batch(unit: UnitOfWork, addresses: set[tuple[UUID, str]], ids: set[tuple[UUID, UUID]]) -> ContactBatch:
    """Load contacts by (project, address) and (project, id), and have the unit expect their streams unchanged."""
    rows = await contacts.load(unit.conn, addresses, ids)
    for row in rows:
        unit.expect(f"contact-{row.contact_id}", row.version)
    return ContactBatch((row.project, ContactState(row.contact, row.created_at, row.updated_at)) for row in rows)


def _handle(unit: UnitOfWork, batch: ContactBatch, envelope: Envelope[Any]) -> bytes:
    try:
        state, taken = _subject(batch, envelope)
        events = contact.decide(envelope.message, state.contact, taken=taken)
    except Rejected as rejected:
        return encode(rejected.as_reply())
    unit.append(events, envelope)
    if isinstance(envelope.message, DeleteContact):
        batch.remove(envelope.project, envelope.message.contact_id)
        return accepted_reply(DeletedContact(id=envelope.message.contact_id))
    state = state.after(events, unit.now)
    batch.put(envelope.project, state)
    return accepted_reply(_reply(envelope.message, state, events, unit.now))


def _subject(batch: ContactBatch, envelope: Envelope[Any]) -> tuple[ContactState, bool]:
    """Return the contact that the command is about, and whether another contact has the command's address."""
    project, command = envelope.project, envelope.message
    if isinstance(command, SaveContact | TrackEvent):
        return batch.by_address(project, parse(command.email)), False
    state = batch.by_id(project, command.contact_id)
    if isinstance(command, UpdateContact) and command.email is not None:
        owner = batch.by_address(project, parse(command.email)).contact.id
        return state, owner not in (None, command.contact_id)
    return state, False


def _reply(command: contact.Command, state: ContactState, events: Sequence[contact.Fact], now: datetime) -> View:
    assert state.contact.id and state.created_at and state.updated_at
    if isinstance(command, TrackEvent):
        return TrackedEvent(contact=state.contact.id, event=command.event_id, timestamp=iso(now))
    view = contact_view(state.contact, state.created_at, state.updated_at)
    if isinstance(command, SaveContact):
        is_new = any(isinstance(event, ContactCreated) for event in events)
        return SavedContact(**asdict(view), meta=SavedMeta(is_new=is_new, is_update=not is_new))
    return view


def _addresses(envelopes: Sequence[Envelope[Any]]) -> Iterator[tuple[UUID, str]]:
    for envelope in envelopes:
        address = getattr(envelope.message, "email", None)
        if address is not None:
            with suppress(Rejected):  # the command is rejected when it is handled
                yield envelope.project, parse(address)


def _ids(envelopes: Sequence[Envelope[Any]]) -> Iterator[tuple[UUID, UUID]]:
    """Yield the ids of commands that name their contact by id. The id in an upsert is for a contact it may create."""
    for envelope in envelopes:
        if not isinstance(envelope.message, SaveContact | TrackEvent):
            yield envelope.project, envelope.message.contact_id


COMMANDS: Mapping[type[Command], BatchHandler] = dict.fromkeys(get_args(contact.Command), change_contacts)
