"""Carry out the asking for confirmations: rare, so one at a time."""

from collections.abc import Sequence

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import AskForConfirmation
from services.contacts.contacts import confirmation
from services.contacts.contacts.confirmation import State
from services.contacts.contacts.read_models import confirmation as confirmations
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.views import view_of


async def ask_for_confirmations(unit: UnitOfWork, envelopes: Sequence[Envelope[AskForConfirmation]]) -> Sequence[bytes]:
    return [await _ask(unit, envelope) for envelope in envelopes]


async def _ask(unit: UnitOfWork, envelope: Envelope[AskForConfirmation]) -> bytes:
    key = envelope.project, envelope.message.contact_id
    rows = await contacts.load(unit.conn, [], [key])
    asked, version = (await confirmations.load(unit.conn, [key])).get(key, ((), 0))
    try:
        events = confirmation.decide(envelope.message, State(rows[0].contact if rows else None, asked), unit.now)
    except Rejected as no:
        return encode(no.as_reply())
    unit.expect(f"confirmation-{envelope.message.contact_id}", version)
    unit.append(events, envelope)
    await unit.flush()
    return accepted_reply(view_of(rows[0]))
