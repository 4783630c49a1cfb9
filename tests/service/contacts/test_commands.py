"""Commands about contacts, their replies, and the events that they cause."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import running, tell
from libs.schemas.contacts.contacts import TrackedEvent, TrackEvent
from services.contacts.app import build
from tests.conftest import Stack
from tests.service.contacts.caller import Caller


async def test_a_contact_is_created_then_merged_into_by_its_address(caller: Caller) -> None:
    new = await caller.save(" Ann@Example.com", data={"plan": "free", "code": {"value": 1, "persistent": False}})
    again = await caller.save("ann@example.com", data={"seats": 3})
    assert new.meta.is_new and again.meta.is_update and again.id == new.id
    assert (new.email, new.data, again.data) == ("ann@example.com", {"plan": "free"}, {"plan": "free", "seats": 3})
    stored = await caller.get(new.id)
    assert stored.data == again.data and stored.created_at == new.created_at and stored.updated_at == again.updated_at
    assert stored.updated_at > stored.created_at
    assert await caller.event_types() == ["contact.created", "contact.updated"]


async def test_saving_without_changes_appends_no_event(caller: Caller) -> None:
    new = await caller.save(data={"n": 1, "nested": {"bb": 1, "a": [1.0, None]}})
    same = await caller.save(data={"n": 1, "nested": {"a": [1, None], "bb": 1}}, subscribed=True)
    assert same.updated_at == new.updated_at and await caller.event_types() == ["contact.created"]


async def test_a_contact_of_another_project_is_not_found(caller: Caller, contacts: Runtime) -> None:
    ann = await caller.save()
    stranger = Caller(contacts, uuid4())
    for attempt in (stranger.get(ann.id), stranger.update(ann.id, data=None), stranger.unsubscribe(ann.id)):
        with pytest.raises(Rejected, match="Contact not found"):
            await attempt
    assert (await stranger.save()).id != ann.id


async def test_an_address_can_change_but_not_to_one_that_is_taken(caller: Caller) -> None:
    ann, bea = await caller.save("ann@example.com"), await caller.save("bea@example.com")
    with pytest.raises(Rejected, match="Contact with this email already exists in this project"):
        await caller.update(bea.id, email="ANN@example.com")
    await caller.update(ann.id, email="anna@example.com")
    assert (await caller.update(bea.id, email="ann@example.com")).email == "ann@example.com"
    assert (await caller.get(ann.id)).email == "anna@example.com"


async def test_addresses_pass_from_contact_to_contact_within_one_batch(caller: Caller) -> None:
    names = [f"user{n}@example.com" for n in range(10)]
    people = await asyncio.gather(*(caller.save(name) for name in names))
    # published in this order without waiting: the first frees its address, and each next one takes the one just freed
    moved = ["free@example.com", *names[:-1]]
    await asyncio.gather(*(caller.update(each.id, email=to) for each, to in zip(people, moved, strict=True)))
    assert [(await caller.get(each.id)).email for each in people] == moved


async def test_a_rejected_command_appends_no_event(caller: Caller) -> None:
    ann = await caller.save()
    rejected = (
        caller.save("nobody"),
        caller.save(data={"locale": 5}),
        caller.save(data={"a": "\0"}),
        caller.update(ann.id, data={"a\0": 1}),
        caller.update(ann.id, email="nobody"),
        caller.track("email.sent"),
        caller.track("x" * 256),
        caller.track("x", data={"a": 1e300}),
    )
    for attempt in rejected:
        with pytest.raises(Rejected) as no:
            await attempt
        assert no.value.code == "VALIDATION_ERROR" and no.value.errors
    assert await caller.event_types() == ["contact.created"]


async def test_a_subscription_changes_on_request_and_appends_one_event(caller: Caller) -> None:
    ann, mail = await caller.save(), uuid7()
    assert not (await caller.unsubscribe(ann.id, mail)).subscribed
    assert not (await caller.unsubscribe(ann.id, mail)).subscribed
    assert not (await caller.save(data={"a": 1})).subscribed
    assert (await caller.subscribe(ann.id)).subscribed
    assert not (await caller.update(ann.id, subscribed=False)).subscribed
    unsubscribed = await caller.events_of("contact.unsubscribed")
    assert [(fact["reason"], fact["emailId"]) for fact in unsubscribed] == [("link", str(mail)), ("api", None)]
    assert not (await caller.get(ann.id)).subscribed


async def test_tracking_creates_the_contact_counts_the_event_and_keeps_its_data(caller: Caller) -> None:
    first = await caller.track("signup", data={"plan": "pro", "code": {"value": 1, "persistent": False}})
    second = await caller.track("signup", data={"plan": "pro"})
    await caller.track("Sign Up")
    assert first.contact == second.contact and first.event != second.event
    assert await caller.tracked_counts(first.contact) == {"signup": 2, "Sign Up": 1}
    assert (await caller.get(first.contact)).data == {"plan": "pro"}
    tracked = (await caller.events_of("event.tracked"))[0]
    assert tracked["data"] == {"plan": "pro", "code": 1}


async def test_a_repeated_command_gets_the_first_reply_and_counts_once(caller: Caller, contacts: Runtime) -> None:
    command = TrackEvent(contact_id=uuid7(), event_id=uuid7(), email="ann@example.com", event="signup")
    command_id = uuid7()
    first = await tell(contacts.client, caller.project, command, TrackedEvent, command_id)
    # straight to group commit, so the inbox recognises the repetition and not the duplicate window of JetStream
    repeat = Envelope(id=command_id, project=caller.project, message=command, at=now())
    again = await contacts.consumers["contacts-commands"].commit.submit(repeat)
    assert again and str(first.event) in again.decode()
    assert await caller.tracked_counts(first.contact) == {"signup": 1}


async def test_many_concurrent_events_of_few_contacts_are_each_counted_once(caller: Caller) -> None:
    """They form batches, so contacts are created, merged into and counted within one transaction."""
    names = [f"user{n % 7}@example.com" for n in range(200)]
    answers = await asyncio.gather(
        *(caller.track(f"event{n % 3}", name, data={"last": n, f"k{n % 5}": n}) for n, name in enumerate(names))
    )
    by_contact = Counter(answer.contact for answer in answers)
    assert len(by_contact) == 7
    for contact_id, tracked in by_contact.items():
        assert sum((await caller.tracked_counts(contact_id)).values()) == tracked
        assert (await caller.get(contact_id)).data.keys() == {"last", "k0", "k1", "k2", "k3", "k4"}


async def test_commands_by_address_and_by_id_in_one_batch_see_each_other(caller: Caller) -> None:
    ann = await caller.save()
    await asyncio.gather(
        *(caller.save(data={f"s{n}": n}) for n in range(20)),
        *(caller.update(ann.id, data={f"u{n}": n}) for n in range(20)),
        *(caller.track("x", data={f"t{n}": n}) for n in range(20)),
    )
    assert (await caller.get(ann.id)).data == {f"{kind}{n}": n for kind in "sut" for n in range(20)}


async def test_two_replicas_that_create_the_same_contacts_agree_on_each(caller: Caller, stack: Stack) -> None:
    config = stack.settings("contacts", instance="2")
    async with running(build(config), config):
        names = [f"user{n % 40}@example.com" for n in range(400)]
        answers = await asyncio.gather(*(caller.track("x", name, data={f"k{n}": n}) for n, name in enumerate(names)))
    everyone = {answer.contact for answer in answers}
    assert len(everyone) == Counter(await caller.event_types())["contact.created"] == 40
    for contact_id in everyone:
        assert await caller.tracked_counts(contact_id) == {"x": 10}
        assert len((await caller.get(contact_id)).data) == 10
