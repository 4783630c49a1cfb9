"""Reactions of contacts to other services' events and to timers.

A permanent bounce or a complaint ends the subscription; the end of a pause resumes it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.contacts.contacts import SubscribeContact, UnsubscribeContact, UnsubscribeReason
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from services.contacts.contacts import contact
from services.contacts.contacts.commands import load_batch
from services.contacts.contacts.contact import Command, Contact
from services.contacts.contacts.snooze import EndSnooze

Reaction: TypeAlias = Callable[[Any, Contact], Command | None]


async def end_subscriptions(unit: UnitOfWork, envelopes: Sequence[Envelope[EmailBounced | EmailComplained]]) -> None:
    """Unsubscribe contacts whose address bounced for good or who complained."""
    await _react(unit, envelopes, _end_of_subscription)


async def end_snoozes(unit: UnitOfWork, envelopes: Sequence[Envelope[EndSnooze]]) -> None:
    """Subscribe contacts whose pause is over, unless they changed or ended it themselves."""
    await _react(unit, envelopes, _end_of_snooze)


async def _react(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]], reaction: Reaction) -> None:
    """Carry out the command that `reaction` derives from each message, skipping contacts that do not exist."""
    batch = await load_batch(unit, set(), {(envelope.project, envelope.message.contact_id) for envelope in envelopes})
    for envelope in envelopes:
        state = batch.by_id(envelope.project, envelope.message.contact_id)
        command = None if state.contact.id is None else reaction(envelope.message, state.contact)
        if command is not None:
            events = contact.decide(command, state.contact)
            unit.append(events, envelope)
            batch.put(envelope.project, state.after(events, unit.now))


def _end_of_subscription(event: EmailBounced | EmailComplained, contact: Contact) -> Command | None:
    """Unsubscribe the contact unless the mail went to another address, such as one that a workflow names."""
    if event.addresses and contact.email.lower() not in event.addresses:
        return None
    reason = _reason(event)
    return reason and UnsubscribeContact(contact_id=event.contact_id, reason=reason, email_id=event.email_id)


def _reason(event: EmailBounced | EmailComplained) -> UnsubscribeReason | None:
    """Return the reason to unsubscribe; None for a bounce that may pass."""
    if isinstance(event, EmailComplained):
        return "complaint"
    return "bounce" if event.bounce_type == "Permanent" else None


def _end_of_snooze(timer: EndSnooze, contact: Contact) -> Command | None:
    return SubscribeContact(contact_id=timer.contact_id) if contact.snoozed_until == timer.until else None
