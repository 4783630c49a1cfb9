"""Asking a contact to confirm its subscription (double opt-in). Pure."""

from datetime import datetime, timedelta

import msgspec

from libs.kernel.rejection import Rejected
from libs.schemas.contacts.contacts import AskForConfirmation, ConfirmationAsked
from services.contacts.contacts.contact import Contact
from services.contacts.contacts.errors import contact_not_found

LIMITS = ((1, timedelta(hours=1)), (5, timedelta(days=1)))
"""How many requests are allowed in which time. Without a limit, anyone could fill a mailbox through a sign-up form."""

REMEMBERED = max(limit for limit, _ in LIMITS)


class Confirmation(msgspec.Struct, frozen=True):
    """The contact, None if there is none, and when it was last asked, oldest first."""

    contact: Contact | None = None
    asked: tuple[datetime, ...] = ()


INITIAL = Confirmation()


def decide(command: AskForConfirmation, confirmation: Confirmation, now: datetime) -> list[ConfirmationAsked]:
    """Return the event that the contact is asked.

    Raise Rejected if there is no such contact, if it is subscribed already, or if it was asked too often.
    """
    if confirmation.contact is None:
        raise contact_not_found()
    if confirmation.contact.subscribed:
        raise Rejected("CONTACT_ALREADY_SUBSCRIBED", "The contact is already subscribed")
    if any(_count_since(confirmation, now - span) >= limit for limit, span in LIMITS):
        raise Rejected(
            "RATE_LIMIT_EXCEEDED", "A contact can be asked to confirm once per hour and five times per day; try later"
        )
    return [ConfirmationAsked(contact_id=command.contact_id)]


def remember(asked: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """Return the times to remember after asking once more."""
    return (*asked, now)[-REMEMBERED:]


def _count_since(confirmation: Confirmation, since: datetime) -> int:
    return sum(at > since for at in confirmation.asked)
