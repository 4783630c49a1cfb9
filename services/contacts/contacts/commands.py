"""Carry out commands: load what a whole batch is about in one query, decide each in order, append, answer."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import asdict

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import View
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
from services.contacts.contacts.contact_batch import Book, Known
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.views import contact_view


async def change_contacts(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
    """All commands about contacts go through here, so that a batch keeps their order."""
    book = await open_book(unit, set(_addresses(envelopes)), set(_ids(envelopes)))
    answers = [_answer(unit, book, envelope) for envelope in envelopes]
    await snooze.wake_at_the_end(unit, envelopes)
    return answers


async def open_book(unit: UnitOfWork, addresses: set[tuple[UUID, str]], ids: set[tuple[UUID, UUID]]) -> Book:
    """What is known of these contacts; the unit then expects their streams to be as they were read."""
    rows = await contacts.load(unit.conn, addresses, ids)
    for row in rows:
        unit.expect(f"contact-{row.contact_id}", row.version)
    return Book((row.project, _known(row)) for row in rows)


def _answer(unit: UnitOfWork, book: Book, envelope: Envelope[Any]) -> bytes:
    try:
        known, taken = _subject(book, envelope)
        events = contact.decide(envelope.message, known.contact, taken=taken)
    except Rejected as no:
        return encode(no.as_reply())
    unit.append(events, envelope)
    if isinstance(envelope.message, DeleteContact):
        book.forget(envelope.project, envelope.message.contact_id)
        return accepted_reply(DeletedContact(id=envelope.message.contact_id))
    known = known.after(events, unit.now)
    book.keep(envelope.project, known)
    return accepted_reply(_reply(envelope.message, known, events, unit.now))


def _subject(book: Book, envelope: Envelope[Any]) -> tuple[Known, bool]:
    """The contact that the command is about, and whether another has the address that it brings."""
    project, command = envelope.project, envelope.message
    if isinstance(command, SaveContact | TrackEvent):
        return book.by_address(project, parse(command.email)), False
    known = book.by_id(project, command.contact_id)
    if isinstance(command, UpdateContact) and command.email is not None:
        holder = book.by_address(project, parse(command.email)).contact.id
        return known, holder not in (None, command.contact_id)
    return known, False


def _reply(command: contact.Command, known: Known, events: Sequence[contact.Fact], now: datetime) -> View:
    person = known.contact
    assert person.id and known.created_at and known.updated_at
    if isinstance(command, TrackEvent):
        return TrackedEvent(contact=person.id, event=command.event_id, timestamp=iso(now))
    view = contact_view(person, known.created_at, known.updated_at)
    if isinstance(command, SaveContact):
        is_new = any(isinstance(event, ContactCreated) for event in events)
        return SavedContact(**asdict(view), meta=SavedMeta(is_new=is_new, is_update=not is_new))
    return view


def _known(row: contacts.Row) -> Known:
    return Known(row.contact, row.created_at, row.updated_at)


def _addresses(envelopes: Sequence[Envelope[Any]]) -> Iterator[tuple[UUID, str]]:
    for envelope in envelopes:
        address = getattr(envelope.message, "email", None)
        if address is not None:
            with suppress(Rejected):  # it is refused when it is decided
                yield envelope.project, parse(address)


def _ids(envelopes: Sequence[Envelope[Any]]) -> Iterator[tuple[UUID, UUID]]:
    """Those who are named by id alone. The id that an upsert brings is for a contact that may not exist."""
    for envelope in envelopes:
        if not isinstance(envelope.message, SaveContact | TrackEvent):
            yield envelope.project, envelope.message.contact_id
