"""Handle the commands that ask contacts to confirm their subscription."""

from collections.abc import Mapping, Sequence

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Command
from libs.schemas.contacts.contacts import AskForConfirmation
from services.contacts.contacts import confirmation
from services.contacts.contacts.confirmation import Confirmation
from services.contacts.contacts.read_models import confirmation as confirmations
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.views import view_of


async def ask_for_confirmations(unit: UnitOfWork, envelopes: Sequence[Envelope[AskForConfirmation]]) -> Sequence[bytes]:
    """Handle the commands one at a time: they are rare."""
    return [await _ask(unit, envelope) for envelope in envelopes]


async def _ask(unit: UnitOfWork, envelope: Envelope[AskForConfirmation]) -> bytes:
    key = envelope.project, envelope.message.contact_id
    rows = await contacts.load(unit.conn, [], [key])
    asked, version = (await confirmations.load(unit.conn, [key])).get(key, ((), 0))
    state = Confirmation(rows[0].contact if rows else None, asked)
    try:
        events = confirmation.decide(envelope.message, state, unit.now)
    except Rejected as rejected:
        return encode(rejected.as_reply())
    unit.expect(f"confirmation-{envelope.message.contact_id}", version)
    unit.append(events, envelope)
    await unit.flush()
    return accepted_reply(view_of(rows[0]))


COMMANDS: Mapping[type[Command], BatchHandler] = {AskForConfirmation: ask_for_confirmations}
