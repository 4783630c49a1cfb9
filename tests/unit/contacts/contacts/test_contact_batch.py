"""The identity map of a batch's contacts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.schemas.contacts.contacts import ContactCreated, ContactUpdated, EventTracked
from services.contacts.contacts.contact import Contact
from services.contacts.contacts.contact_batch import ABSENT, ContactBatch, ContactState

PROJECT, OTHER, ANN, BEA = (UUID(int=n) for n in range(1, 5))
NOW = datetime(2026, 5, 6, tzinfo=UTC)


def state_of(contact_id: UUID, email: str) -> ContactState:
    return ContactState(Contact(id=contact_id, email=email), NOW, NOW)


def test_a_contact_is_found_by_id_and_by_address_in_its_project_only() -> None:
    ann = state_of(ANN, "ann@example.com")
    batch = ContactBatch([(PROJECT, ann)])
    assert batch.by_id(PROJECT, ANN) is batch.by_address(PROJECT, "ann@example.com") is ann
    assert batch.by_id(OTHER, ANN) is batch.by_address(OTHER, "ann@example.com") is ABSENT


def test_a_former_address_is_free_for_another_contact() -> None:
    batch = ContactBatch([(PROJECT, state_of(ANN, "old@example.com"))])
    batch.put(PROJECT, state_of(ANN, "new@example.com"))
    assert batch.by_address(PROJECT, "old@example.com") is ABSENT
    batch.put(PROJECT, state_of(BEA, "old@example.com"))
    batch.put(PROJECT, state_of(ANN, "new@example.com"))
    assert batch.by_address(PROJECT, "old@example.com").contact.id == BEA
    assert batch.by_address(PROJECT, "new@example.com").contact.id == ANN


def test_changes_of_the_contact_update_its_times_and_tracked_events_do_not() -> None:
    later = NOW + timedelta(hours=1)
    created = ABSENT.after([ContactCreated(contact_id=ANN, email="a@example.com", subscribed=True, data={})], NOW)
    assert (created.created_at, created.updated_at) == (NOW, NOW)
    changed = created.after([ContactUpdated(contact_id=ANN, email="a@example.com", data={"a": 1})], later)
    assert (changed.created_at, changed.updated_at) == (NOW, later)
    tracked = EventTracked(event_id=BEA, contact_id=ANN, email="a@example.com", name="x", data={})
    assert created.after([tracked], later) is created
