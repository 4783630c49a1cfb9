"""Asking a contact to confirm its subscription (double opt-in). Pure."""

from datetime import datetime, timedelta

import msgspec

from libs.kernel.rejection import Rejected
from libs.schemas.contacts.contacts import AskForConfirmation, ConfirmationAsked
from services.contacts.contacts.contact import Contact
from services.contacts.contacts.errors import contact_not_found

LIMITS = ((1, timedelta(hours=1)), (5, timedelta(days=1)))
"""How often within which time. Whoever can type an address into a form could otherwise fill its mailbox."""

REMEMBERED = max(most for most, _ in LIMITS)


class State(msgspec.Struct, frozen=True):
    """The contact, None if there is none, and when it was asked lately, oldest first."""

    contact: Contact | None = None
    asked: tuple[datetime, ...] = ()


INITIAL = State()


def decide(command: AskForConfirmation, state: State, now: datetime) -> list[ConfirmationAsked]:
    """Raises Rejected if there is nobody to ask, nothing to ask for, or the contact was asked too often."""
    if state.contact is None:
        raise contact_not_found()
    if state.contact.subscribed:
        raise Rejected("CONTACT_ALREADY_SUBSCRIBED", "The contact is subscribed already")
    if any(_asked_since(state, now - span) >= most for most, span in LIMITS):
        raise Rejected("RATE_LIMIT_EXCEEDED", "The contact was asked to confirm lately; wait before asking again")
    return [ConfirmationAsked(contact_id=command.contact_id)]


def after(asked: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """The times to remember once the contact is asked."""
    return (*asked, now)[-REMEMBERED:]


def _asked_since(state: State, then: datetime) -> int:
    return sum(at > then for at in state.asked)
