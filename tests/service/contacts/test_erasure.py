"""A deleted contact is erased: its personal data in the log cannot be read any more."""

import pytest

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.encryption import CorruptedEvent, LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import facts
from libs.schemas.contacts.contacts import EventTracked
from tests.service.contacts.caller import Caller

SECRET = "SECRET-d41d8cd9"


async def log_of(runtime: Runtime, caller: Caller) -> list[str]:
    rows = await runtime.pool.fetch("select data from events where project = $1 order by position", caller.project)
    return [row["data"] for row in rows]


async def test_the_log_never_holds_personal_data_in_the_clear(contacts: Runtime, caller: Caller) -> None:
    ann = await caller.save("ann@example.com", data={"name": SECRET})
    await caller.track("purchased", data={"card": {"value": SECRET, "persistent": False}})
    await caller.unsubscribe(ann.id)
    assert await caller.event_types() == ["contact.created", "event.tracked", "contact.unsubscribed"]
    for data in await log_of(contacts, caller):
        assert SECRET not in data and "ann@example.com" not in data
    created, tracked, unsubscribed = [fact for _, fact in await facts(contacts, caller.project)]
    assert created["email"] == tracked["email"] == unsubscribed["email"] == "ann@example.com"
    assert created["data"] == {"name": SECRET} and tracked["data"] == {"card": SECRET}


async def test_events_of_a_deleted_contact_cannot_be_read_any_more(contacts: Runtime, caller: Caller) -> None:
    ann, bea = await caller.save("ann@example.com", data={"name": SECRET}), await caller.save("bea@example.com")
    await caller.track("purchased", data={"card": {"value": SECRET, "persistent": False}})
    await caller.delete(ann.id)
    published = await facts(contacts, caller.project)
    assert [name for name, _ in published] == ["contact.created", "contact.created", "event.tracked", "contact.deleted"]
    of_ann = [fact for _, fact in published if fact["contactId"] == str(ann.id)]
    assert len(of_ann) == 3 and {fact.get("email", "") for fact in of_ann} == {""}
    assert SECRET not in str(of_ann)
    assert [fact["email"] for _, fact in published if fact["contactId"] == str(bea.id)] == ["bea@example.com"]


async def test_no_table_of_the_service_keeps_a_deleted_contact(contacts: Runtime, caller: Caller) -> None:
    secret = uuid7().hex
    ann = await caller.save(f"{secret}@example.com", data={"name": secret})
    await caller.delete(ann.id)
    rows = await contacts.pool.fetch(
        "select table_name from information_schema.tables where table_schema = 'contacts' and table_type = 'BASE TABLE'"
    )
    holding = [row["table_name"] for row in rows if await _holds(contacts, row["table_name"], secret)]
    # replies to commands are kept as long as the commands can be repeated
    assert set(holding) <= {"inbox"}


async def _holds(runtime: Runtime, table: str, text: str) -> bool:
    sought = f"select exists (select from {table} as t where lower(t::text) like '%' || $1 || '%')"
    return bool(await runtime.pool.fetchval(sought, text))


async def test_no_new_personal_data_is_stored_about_an_erased_contact(contacts: Runtime, caller: Caller) -> None:
    """That happens when one replica tracks an event of a contact while another deletes it."""
    ann = await caller.save()
    await caller.delete(ann.id)
    late = EventTracked(event_id=uuid7(), contact_id=ann.id, email=ann.email, name="late", data={"name": SECRET})
    async with contacts.unit() as unit:
        unit.append([late], Origin(project=caller.project))
    [fact] = await caller.events_of("event.tracked")
    assert (fact["name"], fact["email"], fact["data"]) == ("late", "", {})


async def test_no_new_personal_data_is_published_about_an_erased_contact(contacts: Runtime, caller: Caller) -> None:
    """Even though the publishing process still had the event in memory."""
    subscription = await contacts.client.subscribe(f"evt.contacts.{caller.project}.event.tracked")
    ann = await caller.save("ann@example.com")
    await caller.delete(ann.id)
    late = EventTracked(event_id=uuid7(), contact_id=ann.id, email=ann.email, name="late", data={"name": SECRET})
    async with contacts.unit() as unit:
        unit.append([late], Origin(project=caller.project))
    message = await subscription.next_msg(timeout=15)
    assert b"late" in message.data and SECRET.encode() not in message.data and b"ann@" not in message.data


async def test_tampering_with_the_log_is_noticed(contacts: Runtime, caller: Caller) -> None:
    """The personal data of one event cannot be copied into another."""
    await caller.save("ann@example.com")
    await caller.save("ann@example.com", data={"plan": "pro"})
    first, second = await contacts.pool.fetch(
        "select id, data from events where project = $1 order by position", caller.project
    )
    with pytest.raises(CorruptedEvent):
        await decrypt(contacts.pool, [LoggedEvent(second["id"], caller.project, first["data"].encode())])


async def test_the_bus_carries_personal_data_while_the_log_encrypts_it(contacts: Runtime, caller: Caller) -> None:
    subscription = await contacts.client.subscribe(f"evt.contacts.{caller.project}.contact.created")
    await caller.save("ann@example.com", data={"name": SECRET})
    message = await subscription.next_msg(timeout=15)
    assert SECRET.encode() in message.data and b"_sealed" not in message.data
