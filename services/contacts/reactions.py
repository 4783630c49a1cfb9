"""What other services' facts mean for contacts: a permanent bounce or a complaint ends the subscription."""

from collections.abc import Sequence

from libs.runtime.envelope import Envelope
from libs.runtime.store import Unit
from libs.schemas.contacts import UnsubscribeContact, UnsubscribeReason
from libs.schemas.feedback import EmailBounced, EmailComplained
from services.contacts import contact
from services.contacts.commands import open_book


async def end_subscriptions(unit: Unit, envelopes: Sequence[Envelope[EmailBounced | EmailComplained]]) -> None:
    """Contacts that we do not know, or who are unsubscribed already, stay as they are."""
    book = await open_book(unit, set(), {(envelope.project, envelope.message.contact_id) for envelope in envelopes})
    for envelope in envelopes:
        known = book.by_id(envelope.project, envelope.message.contact_id)
        reason = _reason(envelope.message)
        if known.contact.id is None or reason is None:
            continue
        command = UnsubscribeContact(contact_id=known.contact.id, reason=reason, email_id=envelope.message.email_id)
        events = contact.decide(command, known.contact)
        unit.append(events, envelope)
        book.keep(envelope.project, known.after(events, unit.now))


def _reason(event: EmailBounced | EmailComplained) -> UnsubscribeReason | None:
    """Only what says that the address will never take our mail, or its owner does not want it."""
    if isinstance(event, EmailComplained):
        return "complaint"
    return "bounce" if event.bounce_type == "Permanent" else None
