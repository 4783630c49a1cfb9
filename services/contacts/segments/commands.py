"""Carry out commands about segments, one at a time: they are rare, and each sees what the one before did."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.kernel.rejection import Rejected, invalid
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Command, View
from libs.schemas.contacts.contacts import SaveContact
from libs.schemas.contacts.segments import (
    AddedMembers,
    AddSegmentMembers,
    ComputedSegment,
    ComputeSegment,
    CreateSegment,
    DeletedSegment,
    DeleteSegment,
    RemovedMembers,
    RemoveSegmentMembers,
    SegmentMembersAdded,
    SegmentMembersRemoved,
    SegmentView,
    UpdateSegment,
)
from services.contacts.contacts import contact
from services.contacts.contacts.address import parse
from services.contacts.contacts.commands import open_book
from services.contacts.contacts.contact_batch import Book
from services.contacts.contacts.errors import segment_not_found
from services.contacts.contacts.views import segment_view
from services.contacts.segments import members, membership, segment
from services.contacts.segments.condition import Segments, compiled
from services.contacts.segments.definitions import definitions_of, dependents, direct_dependents
from services.contacts.segments.membership import Move
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models import segment_list
from services.contacts.segments.segment import Segment

MAX_EMAILS = 500
PORTIONS_AT_ONCE = 5
TAKE_MOVES = """
update segment_state set entered = 0, exited = 0
from (select entered, exited from segment_state where project = $1 and segment_id = $2 for update) as before
where project = $1 and segment_id = $2
returning before.entered, before.exited
"""


async def change_segments(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
    return [await _answer(unit, envelope) for envelope in envelopes]


async def _answer(unit: UnitOfWork, envelope: Envelope[Any]) -> bytes:
    try:
        await membership.lock(unit.conn, envelope.project)
        return accepted_reply(await HANDLERS[type(envelope.message)](unit, envelope))
    except Rejected as no:
        return encode(no.as_reply())


async def _create(unit: UnitOfWork, envelope: Envelope[CreateSegment]) -> SegmentView:
    existing = await segments.find(unit.conn, envelope.project, envelope.message.segment_id)
    events = segment.decide(envelope.message, _state(existing) if existing else None)
    if events:
        await _check_references(unit, envelope, events[0])
        unit.append(events, envelope)
        await unit.flush()
        await _keep_anew(unit, envelope)
    return await _view(unit, envelope)


async def _update(unit: UnitOfWork, envelope: Envelope[UpdateSegment]) -> SegmentView:
    row = await _existing(unit, envelope)
    events = segment.decide(envelope.message, _state(row))
    if not events:
        return await _view(unit, envelope)
    await _check_references(unit, envelope, events[0])
    unit.append(events, envelope)
    await unit.flush()
    if envelope.message.condition not in (None, row.condition):
        await _keep_anew(unit, envelope)
    return await _view(unit, envelope)


async def _delete(unit: UnitOfWork, envelope: Envelope[DeleteSegment]) -> DeletedSegment:
    row = await _existing(unit, envelope)
    users = direct_dependents(row.id, await segments.list_all(unit.conn, envelope.project))
    if users:
        raise segment.in_use(len(users))
    unit.append(segment.decide(envelope.message, _state(row)), envelope)
    await unit.flush()
    return DeletedSegment(id=row.id)


async def _add(unit: UnitOfWork, envelope: Envelope[AddSegmentMembers]) -> AddedMembers:
    row, addresses, book = await _list_and_people(unit, envelope, "add contacts to")
    missing = [address for address in addresses if not _id_in(book, envelope, address)]
    created = _create_contacts(unit, envelope, missing, book) if envelope.message.create_missing else 0
    people = _people(book, envelope, addresses)
    already = await segment_list.listed(unit.conn, envelope.project, row.id, people)
    new = {contact_id: email for contact_id, email in people.items() if contact_id not in already}
    if new:
        unit.append([SegmentMembersAdded(segment_id=row.id, contact_ids=list(new))], envelope)
        await _tell(unit, envelope, row, new, entry=True)
    return AddedMembers(added=len(new), created=created, not_found=[] if created else missing)


async def _remove(unit: UnitOfWork, envelope: Envelope[RemoveSegmentMembers]) -> RemovedMembers:
    row, addresses, book = await _list_and_people(unit, envelope, "remove contacts from")
    people = _people(book, envelope, addresses)
    listed = await segment_list.listed(unit.conn, envelope.project, row.id, people)
    leaving = {contact_id: people[contact_id] for contact_id in listed}
    if leaving:
        unit.append([SegmentMembersRemoved(segment_id=row.id, contact_ids=list(leaving))], envelope)
        await _tell(unit, envelope, row, leaving, entry=False)
    return RemovedMembers(removed=len(leaving))


async def _compute(unit: UnitOfWork, envelope: Envelope[ComputeSegment]) -> ComputedSegment:
    row = await _existing(unit, envelope)
    if not row.track_membership:
        raise segment.no_tracking()
    rows = await segments.list_all(unit.conn, envelope.project)
    for _ in range(PORTIONS_AT_ONCE):
        if not await membership.catch_up(unit, envelope.project, rows):
            break
    moves = await unit.conn.fetchrow(TAKE_MOVES, envelope.project, row.id)
    total = await members.count(unit.conn, envelope.project, row)
    entered, exited = moves or (0, 0)
    return ComputedSegment(added=entered, removed=exited, total=total)


HANDLERS: Mapping[type[Command], Callable[[UnitOfWork, Envelope[Any]], Coroutine[Any, Any, View]]] = {
    CreateSegment: _create,
    UpdateSegment: _update,
    DeleteSegment: _delete,
    AddSegmentMembers: _add,
    RemoveSegmentMembers: _remove,
    ComputeSegment: _compute,
}


async def _existing(unit: UnitOfWork, envelope: Envelope[Any]) -> segments.Row:
    row = await segments.find(unit.conn, envelope.project, envelope.message.segment_id)
    if row is None:
        raise segment_not_found()
    unit.expect(f"segment-{row.id}", row.version)
    return row


def _state(row: segments.Row) -> Segment:
    return Segment(
        kind=row.kind,
        name=row.name,
        condition=row.condition,
        description=row.description,
        track_membership=row.track_membership,
    )


async def _view(unit: UnitOfWork, envelope: Envelope[Any]) -> SegmentView:
    row = await segments.find(unit.conn, envelope.project, envelope.message.segment_id)
    assert row is not None
    return segment_view(row, await members.count(unit.conn, envelope.project, row))


async def _check_references(unit: UnitOfWork, envelope: Envelope[Any], event: Any) -> None:
    """Raise Rejected if the condition, or that of a segment which builds on it, would lead nowhere or in a circle."""
    condition = event.condition
    if condition is None:
        return
    rows = await segments.list_all(unit.conn, envelope.project)
    known: Segments = {**definitions_of(rows), event.segment_id: condition}
    compiled(condition, known, own_id=event.segment_id)
    for row in dependents(event.segment_id, rows):
        assert row.condition
        compiled(row.condition, known, own_id=row.id)


async def _keep_anew(unit: UnitOfWork, envelope: Envelope[Any]) -> None:
    """The segment's members are to be found anew, and those of the segments that build on it."""
    project = envelope.project
    rows = await segments.list_all(unit.conn, project)
    changed = next(row for row in rows if row.id == envelope.message.segment_id)
    for row in [changed, *dependents(changed.id, rows)]:
        await membership.define(unit, project, row)
        if row.condition:
            await membership.begin(unit, project, row, definitions_of(rows))


async def _list_and_people(
    unit: UnitOfWork, envelope: Envelope[Any], what: str
) -> tuple[segments.Row, list[str], Book]:
    row = await _existing(unit, envelope)
    if row.kind != "STATIC":
        raise segment.no_list(what)
    addresses = _addresses(envelope.message.emails)
    return row, addresses, await open_book(unit, {(envelope.project, address) for address in addresses}, set())


def _addresses(emails: Sequence[str]) -> list[str]:
    """The addresses, each once. Raises Rejected with the place of the first that is none."""
    if not emails:
        raise invalid("emails", "At least one email is required", "too_small")
    if len(emails) > MAX_EMAILS:
        raise invalid("emails", f"At most {MAX_EMAILS} emails at once", "too_big")
    return list(dict.fromkeys(_address(email, number) for number, email in enumerate(emails)))


def _address(email: str, number: int) -> str:
    try:
        return parse(email)
    except Rejected as no:
        raise invalid(f"emails.{number}", no.errors[0].message, no.errors[0].code) from None


def _id_in(book: Book, envelope: Envelope[Any], address: str) -> UUID | None:
    return book.by_address(envelope.project, address).contact.id


def _people(book: Book, envelope: Envelope[Any], addresses: Collection[str]) -> dict[UUID, str]:
    """The contacts that have one of these addresses, by their ids."""
    found = ((_id_in(book, envelope, address), address) for address in addresses)
    return {contact_id: address for contact_id, address in found if contact_id}


def _create_contacts(
    unit: UnitOfWork, envelope: Envelope[AddSegmentMembers], addresses: Sequence[str], book: Book
) -> int:
    command = envelope.message
    for contact_id, address in zip(command.contact_ids, addresses, strict=False):
        wanted = SaveContact(contact_id=contact_id, email=address, subscribed=command.subscribed)
        known = book.by_address(envelope.project, address)
        events = contact.decide(wanted, known.contact)
        unit.append(events, envelope)
        book.keep(envelope.project, known.after(events, unit.now))
    return len(addresses)


async def _tell(
    unit: UnitOfWork, envelope: Envelope[Any], row: segments.Row, people: Mapping[UUID, str], *, entry: bool
) -> None:
    await unit.flush()
    moves = [Move(row.id, contact_id, entry, email) for contact_id, email in people.items()]
    await membership.tell(unit, envelope.project, moves, {row.id: row}, dict.fromkeys(people, envelope.causes()))
    await unit.flush()
