"""What an event that nobody vouches for does to a contact: it adds, and changes nothing that exists."""

from functools import reduce
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.rejection import Rejected
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import (
    ContactCreated,
    ContactUnsubscribed,
    ContactUpdated,
    EventTracked,
    SaveContact,
    TrackEvent,
    UpdateContact,
)
from services.contacts.contacts.contact import INITIAL, MAX_UNTRUSTED, Command, Contact, Fact, decide, evolve

ID, NEW, EVENT = UUID(int=1), UUID(int=2), UUID(int=3)
ANN = "ann@example.com"
CREATED = ContactCreated(contact_id=ID, email=ANN, subscribed=True, data={"plan": "free"})


def contact(*history: Fact) -> Contact:
    return reduce(evolve, history, INITIAL)


def public(**fields: Any) -> TrackEvent:
    return TrackEvent(contact_id=NEW, event_id=EVENT, email=ANN, event="signed-up", trusted=False, **fields)


def after(contact: Contact, *commands: Command) -> Contact:
    for command in commands:
        contact = reduce(evolve, decide(command, contact), contact)
    return contact


values = st.none() | st.booleans() | st.text(alphabet="ab<", max_size=3)
datas = st.dictionaries(st.sampled_from(["plan", "name", "locale2", "id"]), values)


@given(datas, datas, st.booleans(), st.sampled_from([True, False, None]))
def test_nothing_that_exists_changes(stored: Data, sent: Data, subscribed: bool, wanted: bool | None) -> None:
    before = after(INITIAL, SaveContact(contact_id=ID, email=ANN, data=stored, subscribed=subscribed))
    now = after(before, public(data=sent, subscribed=wanted))
    assert now.data | before.data == now.data
    assert (now.id, now.email, now.subscribed) == (before.id, before.email, before.subscribed)


def test_what_was_added_is_marked_and_so_is_the_event() -> None:
    updated, tracked = decide(public(data={"plan": "pro", "name": "Ann"}), contact(CREATED))
    assert updated == ContactUpdated(contact_id=ID, email=ANN, data={"plan": "free", "name": "Ann"}, untrusted=["name"])
    assert isinstance(tracked, EventTracked) and not tracked.trusted


def test_a_new_contact_is_marked_as_a_whole() -> None:
    created, _ = decide(public(data={"plan": "pro"}), INITIAL)
    assert created == ContactCreated(
        contact_id=NEW, email=ANN, subscribed=True, data={"plan": "pro"}, untrusted=["plan"]
    )


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (SaveContact(contact_id=NEW, email=ANN, data={"name": "Ann"}), ["color"]),
        (SaveContact(contact_id=NEW, email=ANN, data={"name": None}), ["color"]),
        (SaveContact(contact_id=NEW, email=ANN, data={"name": "", "plan": "pro"}), ["name", "color"]),
        (UpdateContact(contact_id=ID, data={"name": "Anna", "color": "red"}), []),
        (UpdateContact(contact_id=ID, email="new@example.com"), ["name", "color"]),
        (UpdateContact(contact_id=ID, data=None), []),
    ],
)
def test_a_value_that_a_trusted_caller_wrote_is_marked_no_longer(command: Command, left: list[str]) -> None:
    marked = after(contact(CREATED), public(data={"name": "Ann", "color": "red"}))
    assert marked.untrusted == ["name", "color"]
    assert after(marked, command).untrusted == left


def test_a_contact_that_unsubscribed_stays_so() -> None:
    gone = contact(CREATED, ContactUnsubscribed(contact_id=ID, email=ANN, reason="link"))
    assert [type(fact) for fact in decide(public(subscribed=True), gone)] == [EventTracked]


def test_only_writable_fields_are_added() -> None:
    sent = public(data={"name": "Ann", "color": "red"}, writable_fields=["color"])
    assert after(contact(CREATED), sent).data == {"plan": "free", "color": "red"}
    assert after(INITIAL, sent).data == {"color": "red"}


def test_public_keys_fill_no_contact_without_end() -> None:
    ann = contact(CREATED)
    for number in range(5):
        ann = after(ann, public(data={f"key{number}-{each}": each for each in range(50)}))
    assert len(ann.untrusted) == MAX_UNTRUSTED
    assert len(ann.data) == MAX_UNTRUSTED + 1


@pytest.mark.parametrize("stored", [{}, {"locale": "de"}])
def test_what_is_rejected_does_not_depend_on_what_is_stored(stored: Data) -> None:
    with pytest.raises(Rejected):
        decide(
            public(data={"locale": 7}), contact(ContactCreated(contact_id=ID, email=ANN, subscribed=True, data=stored))
        )


def test_what_would_make_the_contact_too_large_is_left_out() -> None:
    full = contact(ContactCreated(contact_id=ID, email=ANN, subscribed=True, data={"notes": "x" * 120_000}))
    assert [type(fact) for fact in decide(public(data={"more": "y" * 20_000}), full)] == [EventTracked]
