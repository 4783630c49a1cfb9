"""The decider of contacts."""

from functools import reduce
from typing import Any
from uuid import UUID

import msgspec
import pytest

from libs.kernel.rejection import Rejected
from libs.schemas.contacts.contacts import (
    ContactCreated,
    ContactDeleted,
    ContactSubscribed,
    ContactUnsubscribed,
    ContactUpdated,
    DeleteContact,
    EventTracked,
    SaveContact,
    SubscribeContact,
    TrackEvent,
    UnsubscribeContact,
    UpdateContact,
)
from services.contacts.contacts.contact import (
    INITIAL,
    Contact,
    Fact,
    decide,
    evolve,
)

ID, NEW, EVENT, MAIL = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
ANN = "ann@example.com"
CREATED = ContactCreated(contact_id=ID, email=ANN, subscribed=True, data={"plan": "free"})
UNSUBSCRIBED = ContactUnsubscribed(contact_id=ID, email=ANN, reason="api")


def given(*history: Fact) -> Contact:
    return reduce(evolve, history, INITIAL)


def save(**changes: Any) -> SaveContact:
    return SaveContact(**{"contact_id": NEW, "email": ANN, **changes})


def update(**changes: Any) -> UpdateContact:
    return UpdateContact(contact_id=ID, **changes)


def track(**changes: Any) -> TrackEvent:
    return TrackEvent(**{"contact_id": NEW, "event_id": EVENT, "email": ANN, "event": "signup", **changes})


def rejected(command: Any, contact: Contact, **options: bool) -> Rejected:
    with pytest.raises(Rejected) as rejection:
        decide(command, contact, **options)
    return rejection.value


# --- deleting ---


def test_deleting_removes_the_contact_and_its_event_has_no_personal_data() -> None:
    events = decide(DeleteContact(contact_id=ID), given(CREATED))
    assert events == [ContactDeleted(contact_id=ID)]
    assert given(CREATED, *events) == INITIAL
    assert rejected(DeleteContact(contact_id=ID), INITIAL).code == "CONTACT_NOT_FOUND"


def test_saving_with_only_new_rejects_an_existing_contact() -> None:
    assert rejected(save(only_new=True), given(CREATED)).message == "Contact already exists"
    assert decide(save(only_new=True), INITIAL) == decide(save(), INITIAL)


# --- saving ---


@pytest.mark.parametrize(
    ("subscribed", "default", "outcome"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_a_new_contact_is_created_with_its_merged_data(subscribed: bool | None, default: bool, outcome: bool) -> None:
    command = save(
        email=" Ann@Example.com ", data={"plan": "pro", "x": None}, subscribed=subscribed, default_subscribed=default
    )
    assert decide(command, INITIAL) == [
        ContactCreated(contact_id=NEW, email=ANN, subscribed=outcome, data={"plan": "pro"})
    ]


def test_saving_a_known_address_merges_into_its_contact() -> None:
    assert decide(save(data={"seats": 3}), given(CREATED)) == [
        ContactUpdated(contact_id=ID, email=ANN, data={"plan": "free", "seats": 3})
    ]


def test_saving_without_changes_causes_no_event() -> None:
    assert decide(save(data={"plan": "free"}, subscribed=True), given(CREATED)) == []


def test_true_in_place_of_one_is_a_change() -> None:
    one = given(ContactCreated(contact_id=ID, email=ANN, subscribed=True, data={"n": 1}))
    assert decide(save(data={"n": True}), one) == [ContactUpdated(contact_id=ID, email=ANN, data={"n": True})]


def test_an_absent_subscribed_never_changes_the_subscription() -> None:
    assert decide(save(default_subscribed=True), given(CREATED, UNSUBSCRIBED)) == []
    assert decide(save(default_subscribed=False), given(CREATED)) == []


def test_an_explicit_subscription_causes_its_own_event() -> None:
    assert decide(save(subscribed=False), given(CREATED)) == [UNSUBSCRIBED]
    assert decide(save(subscribed=True), given(CREATED, UNSUBSCRIBED)) == [ContactSubscribed(contact_id=ID, email=ANN)]


def test_creating_causes_no_subscription_event() -> None:
    assert [type(event) for event in decide(save(subscribed=False), INITIAL)] == [ContactCreated]


def test_an_invalid_address_is_rejected() -> None:
    assert rejected(save(email="ann"), INITIAL).errors[0].field == "email"


def test_data_that_grows_too_large_by_merging_is_rejected() -> None:
    large = given(ContactCreated(contact_id=ID, email=ANN, subscribed=True, data={"a": "x" * 100_000}))
    assert rejected(save(data={"b": "x" * 100_000}), large).errors[0].field == "data"


# --- updating ---


def test_an_unknown_contact_cannot_be_changed() -> None:
    commands = (update(), SubscribeContact(contact_id=ID), UnsubscribeContact(contact_id=ID, reason="link"))
    assert {rejected(command, INITIAL).code for command in commands} == {"CONTACT_NOT_FOUND"}


def test_only_the_given_fields_change() -> None:
    assert decide(update(), given(CREATED)) == []
    assert decide(update(data={"plan": None}), given(CREATED)) == [ContactUpdated(contact_id=ID, email=ANN, data={})]
    assert decide(update(subscribed=False), given(CREATED)) == [UNSUBSCRIBED]


def test_null_clears_all_data() -> None:
    assert decide(update(data=None), given(CREATED)) == [ContactUpdated(contact_id=ID, email=ANN, data={})]
    assert decide(update(data=msgspec.UNSET), given(CREATED)) == []


def test_a_new_address_is_normalised_and_used_by_the_following_events() -> None:
    assert decide(update(email="Bea@Example.com", subscribed=False), given(CREATED)) == [
        ContactUpdated(contact_id=ID, email="bea@example.com", data={"plan": "free"}),
        ContactUnsubscribed(contact_id=ID, email="bea@example.com", reason="api"),
    ]


def test_an_address_of_another_contact_is_rejected() -> None:
    rejection = rejected(update(email="bea@example.com"), given(CREATED), taken=True)
    assert (rejection.code, rejection.message) == ("CONFLICT", "Contact with this email already exists in this project")


def test_another_spelling_of_the_same_address_is_no_change() -> None:
    assert decide(update(email="ANN@example.com"), given(CREATED)) == []


# --- subscribing ---


def test_repeated_subscribing_and_unsubscribing_causes_no_event() -> None:
    assert decide(SubscribeContact(contact_id=ID), given(CREATED)) == []
    assert decide(UnsubscribeContact(contact_id=ID, reason="link"), given(CREATED, UNSUBSCRIBED)) == []


def test_unsubscribing_keeps_the_reason_and_the_mail() -> None:
    command = UnsubscribeContact(contact_id=ID, reason="link", email_id=MAIL)
    event = ContactUnsubscribed(contact_id=ID, email=ANN, reason="link", email_id=MAIL)
    assert decide(command, given(CREATED)) == [event]
    assert not given(CREATED, event).subscribed
    assert given(CREATED, event, ContactSubscribed(contact_id=ID, email=ANN)).subscribed


# --- pausing ---

MARCH, APRIL = "2027-03-01T09:00:00.000Z", "2027-04-01T09:00:00.000Z"


def pause(until: str | None = MARCH) -> UnsubscribeContact:
    return UnsubscribeContact(contact_id=ID, reason="snooze", email_id=MAIL, until=until)


def paused(until: str = MARCH) -> ContactUnsubscribed:
    return ContactUnsubscribed(contact_id=ID, email=ANN, reason="snooze", email_id=MAIL, until=until)


def test_a_pause_unsubscribes_until_a_day_and_can_be_changed() -> None:
    assert decide(pause(), given(CREATED)) == [paused()]
    assert not given(CREATED, paused()).subscribed
    assert decide(pause(), given(CREATED, paused())) == []
    assert decide(pause(APRIL), given(CREATED, paused())) == [paused(APRIL)]


def test_a_permanently_unsubscribed_contact_cannot_get_a_pause() -> None:
    assert decide(pause(), given(CREATED, UNSUBSCRIBED)) == []


@pytest.mark.parametrize("reason", ["link", "bounce", "complaint"])
def test_a_pause_can_become_permanent(reason: Any) -> None:
    for_good = UnsubscribeContact(contact_id=ID, reason=reason)
    event = ContactUnsubscribed(contact_id=ID, email=ANN, reason=reason)
    assert decide(for_good, given(CREATED, paused())) == [event]
    assert given(CREATED, paused(), event).snoozed_until is None


def test_subscribing_ends_a_pause() -> None:
    subscribed = ContactSubscribed(contact_id=ID, email=ANN)
    assert decide(SubscribeContact(contact_id=ID), given(CREATED, paused())) == [subscribed]
    assert given(CREATED, paused(), subscribed).snoozed_until is None


# --- tracking ---


def test_tracking_creates_the_contact_and_keeps_what_was_sent() -> None:
    data = {"plan": "pro", "code": {"value": "1", "persistent": False}, "email": "x", "note": ""}
    assert decide(track(data=data), INITIAL) == [
        ContactCreated(contact_id=NEW, email=ANN, subscribed=True, data={"plan": "pro"}),
        EventTracked(event_id=EVENT, contact_id=NEW, email=ANN, name="signup", data=data | {"code": "1"}),
    ]


def test_tracking_without_changes_of_the_contact_only_tracks_the_event() -> None:
    assert decide(track(data={"plan": "free"}), given(CREATED)) == [
        EventTracked(event_id=EVENT, contact_id=ID, email=ANN, name="signup", data={"plan": "free"})
    ]


def test_tracking_changes_the_contact_before_the_event_is_tracked() -> None:
    events = decide(track(data={"plan": "pro"}, subscribed=False), given(CREATED))
    assert [type(event) for event in events] == [ContactUpdated, ContactUnsubscribed, EventTracked]


@pytest.mark.parametrize(
    "name",
    ["email.sent", "email.", "contact.subscribed", "contact.unsubscribed", "segment.vip.entry", "segment.a.b.exit"],
)
def test_names_of_the_platforms_own_events_are_rejected(name: str) -> None:
    rejection = rejected(track(event=name), INITIAL)
    assert (rejection.code, rejection.message) == ("VALIDATION_ERROR", "Cannot track reserved system event")
    assert [(error.field, error.code) for error in rejection.errors] == [("event", "reserved_event")]


@pytest.mark.parametrize("name", ["contact.updated", "segment.foo", "segment.foo.created", "emailed", "Sign Up", "🎉"])
def test_other_names_are_kept_as_they_are(name: str) -> None:
    (*_, tracked) = decide(track(event=name), INITIAL)
    assert isinstance(tracked, EventTracked) and tracked.name == name


@pytest.mark.parametrize("name", ["", "x" * 256, "a\0b"])
def test_names_that_no_index_can_hold_are_rejected(name: str) -> None:
    assert rejected(track(event=name), INITIAL).errors[0].field == "event"


def test_an_event_with_a_nul_in_its_data_is_rejected() -> None:
    assert rejected(track(data={"a": "\0"}), INITIAL).errors[0].field == "data"


def test_a_passing_value_is_in_the_event_without_its_wrapping_and_not_in_the_contact() -> None:
    command = track(data={"code": {"value": 42, "persistent": False}, "plan": {"value": "pro", "persistent": True}})
    events = decide(command, given(CREATED), taken=False)
    [tracked] = [event for event in events if isinstance(event, EventTracked)]
    assert tracked.data == {"code": 42, "plan": "pro"}
    [updated] = [event for event in events if isinstance(event, ContactUpdated)]
    assert updated.data == {"plan": "pro"}
