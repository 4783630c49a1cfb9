"""What other services' facts, and time, mean for contacts.

A permanent bounce or a complaint ends the subscription; a pause that is over resumes it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import SubscribeContact, UnsubscribeContact, UnsubscribeReason
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from services.contacts.contacts import contact
from services.contacts.contacts.commands import open_book
from services.contacts.contacts.contact import Command, Contact
from services.contacts.contacts.snooze import EndSnooze

Meaning: TypeAlias = Callable[[Any, Contact], Command | None]


async def end_subscriptions(unit: UnitOfWork, envelopes: Sequence[Envelope[EmailBounced | EmailComplained]]) -> None:
    """Contacts who are unsubscribed already stay as they are."""
    await _carry_out(unit, envelopes, _end_of_subscription)


async def end_snoozes(unit: UnitOfWork, envelopes: Sequence[Envelope[EndSnooze]]) -> None:
    """Contacts who changed their pause, or ended it themselves, stay as they are."""
    await _carry_out(unit, envelopes, _end_of_snooze)


async def _carry_out(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]], meaning: Meaning) -> None:
    """Do what each message means for its contact. One that we do not know is passed over."""
    book = await open_book(unit, set(), {(envelope.project, envelope.message.contact_id) for envelope in envelopes})
    for envelope in envelopes:
        known = book.by_id(envelope.project, envelope.message.contact_id)
        command = None if known.contact.id is None else meaning(envelope.message, known.contact)
        if command is not None:
            events = contact.decide(command, known.contact)
            unit.append(events, envelope)
            book.keep(envelope.project, known.after(events, unit.now))


def _end_of_subscription(event: EmailBounced | EmailComplained, _: Contact) -> Command | None:
    reason = _reason(event)
    return reason and UnsubscribeContact(contact_id=event.contact_id, reason=reason, email_id=event.email_id)


def _reason(event: EmailBounced | EmailComplained) -> UnsubscribeReason | None:
    """Only what says that the address will never take our mail, or its owner does not want it."""
    if isinstance(event, EmailComplained):
        return "complaint"
    return "bounce" if event.bounce_type == "Permanent" else None


def _end_of_snooze(timer: EndSnooze, person: Contact) -> Command | None:
    return SubscribeContact(contact_id=timer.contact_id) if person.snoozed_until == timer.until else None
