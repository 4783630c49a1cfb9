"""The contacts of a batch, by id and by address."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.schemas.contacts.contacts import ContactCreated, ContactUpdated, EventTracked
from services.contacts.contacts.contact import Contact
from services.contacts.contacts.contact_batch import NOBODY, Book, Known

PROJECT, OTHER, ANN, BEA = (UUID(int=n) for n in range(1, 5))
NOW = datetime(2026, 5, 6, tzinfo=UTC)


def known(contact_id: UUID, email: str) -> Known:
    return Known(Contact(id=contact_id, email=email), NOW, NOW)


def test_a_contact_is_found_by_id_and_by_address_in_its_project_only() -> None:
    ann = known(ANN, "ann@example.com")
    book = Book([(PROJECT, ann)])
    assert book.by_id(PROJECT, ANN) is book.by_address(PROJECT, "ann@example.com") is ann
    assert book.by_id(OTHER, ANN) is book.by_address(OTHER, "ann@example.com") is NOBODY


def test_an_address_that_was_given_up_is_free_and_can_be_taken_over() -> None:
    book = Book([(PROJECT, known(ANN, "old@example.com"))])
    book.keep(PROJECT, known(ANN, "new@example.com"))
    assert book.by_address(PROJECT, "old@example.com") is NOBODY
    book.keep(PROJECT, known(BEA, "old@example.com"))
    book.keep(PROJECT, known(ANN, "new@example.com"))
    assert book.by_address(PROJECT, "old@example.com").contact.id == BEA
    assert book.by_address(PROJECT, "new@example.com").contact.id == ANN


def test_facts_of_the_contact_move_its_times_and_a_tracked_event_does_not() -> None:
    later = NOW + timedelta(hours=1)
    created = NOBODY.after([ContactCreated(contact_id=ANN, email="a@example.com", subscribed=True, data={})], NOW)
    assert (created.created_at, created.updated_at) == (NOW, NOW)
    changed = created.after([ContactUpdated(contact_id=ANN, email="a@example.com", data={"a": 1})], later)
    assert (changed.created_at, changed.updated_at) == (NOW, later)
    tracked = EventTracked(event_id=BEA, contact_id=ANN, email="a@example.com", name="x", data={})
    assert created.after([tracked], later) is created
