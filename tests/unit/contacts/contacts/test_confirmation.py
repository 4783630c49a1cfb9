"""Asking a contact to confirm its subscription."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.schemas.contacts.contacts import AskForConfirmation, ConfirmationAsked
from services.contacts.contacts.confirmation import (
    INITIAL,
    Confirmation,
    decide,
    remember,
)
from services.contacts.contacts.contact import Contact

ID = UUID(int=1)
NOON = datetime(2027, 3, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASK = AskForConfirmation(contact_id=ID)
UNSUBSCRIBED = Contact(id=ID, email="ann@example.com", subscribed=False)


def code_of(confirmation: Confirmation, now: datetime = NOON) -> str:
    with pytest.raises(Rejected) as rejection:
        decide(ASK, confirmation, now)
    return rejection.value.code


def test_an_unsubscribed_contact_is_asked() -> None:
    assert decide(ASK, Confirmation(UNSUBSCRIBED), NOON) == [ConfirmationAsked(contact_id=ID)]


def test_unknown_and_subscribed_contacts_are_not_asked() -> None:
    assert code_of(INITIAL) == "CONTACT_NOT_FOUND"
    assert (
        code_of(Confirmation(Contact(id=ID, email="ann@example.com", subscribed=True))) == "CONTACT_ALREADY_SUBSCRIBED"
    )


def test_a_contact_is_asked_at_most_once_an_hour() -> None:
    confirmation = Confirmation(UNSUBSCRIBED, (NOON,))
    assert code_of(confirmation, NOON + HOUR - timedelta(seconds=1)) == "RATE_LIMIT_EXCEEDED"
    assert decide(ASK, confirmation, NOON + HOUR)


def test_a_contact_is_asked_at_most_five_times_a_day() -> None:
    asked: tuple[datetime, ...] = ()
    for hours in range(0, 10, 2):
        decide(ASK, Confirmation(UNSUBSCRIBED, asked), NOON + hours * HOUR)
        asked = remember(asked, NOON + hours * HOUR)
    assert code_of(Confirmation(UNSUBSCRIBED, asked), NOON + 12 * HOUR) == "RATE_LIMIT_EXCEEDED"
    assert decide(ASK, Confirmation(UNSUBSCRIBED, asked), NOON + 24 * HOUR)


def test_only_the_times_that_the_limits_need_are_remembered() -> None:
    asked: tuple[datetime, ...] = ()
    for hours in range(9):
        asked = remember(asked, NOON + hours * HOUR)
    assert asked == tuple(NOON + hours * HOUR for hours in range(4, 9))
