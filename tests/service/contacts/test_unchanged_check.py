"""The unchanged check: contacts that saving would not change."""

from typing import Any
from uuid import uuid4

import pytest

from libs.runtime.clock import uuid7
from libs.schemas.contacts.contacts import FindUnchangedContacts, SaveContact, UnchangedContact
from tests.service.contacts.caller import Caller

ANN, BEN = "ann@example.com", "ben@example.com"


async def find_unchanged(caller: Caller, *saves: dict[str, Any]) -> list[UnchangedContact | None]:
    contacts = [SaveContact(contact_id=uuid7(), default_subscribed=False, **save) for save in saves]
    return await caller.runtime.ask(
        caller.project, FindUnchangedContacts(contacts=contacts), list[UnchangedContact | None]
    )


async def test_contacts_that_have_all_of_it_already_are_unchanged(caller: Caller) -> None:
    ann = await caller.save(ANN, data={"plan": "pro", "seats": 1}, subscribed=True)
    found = await find_unchanged(
        caller, {"email": "nobody@example.com"}, {"email": f" {ANN.upper()}", "data": {"seats": 1.0}}
    )
    assert found == [None, UnchangedContact(id=ann.id, email=ANN, subscribed=True)]


@pytest.mark.parametrize(
    ("given", "is_unchanged"),
    [
        ({}, True),
        ({"data": {"plan": "pro", "order": {"value": 7, "persistent": False}, "city": ""}}, True),
        ({"subscribed": False}, True),
        ({"subscribed": True}, False),
        ({"data": {"plan": "free"}}, False),
        ({"data": {"plan": None}}, False),
        ({"data": {"seats": True}}, False),
        ({"data": {"locale": 1}}, False),
        ({"only_new": True}, False),
    ],
)
async def test_a_command_that_would_save_or_be_rejected_is_not_unchanged(
    caller: Caller, given: dict[str, Any], is_unchanged: bool
) -> None:
    await caller.save(ANN, data={"plan": "pro", "seats": 1}, default_subscribed=False)
    [found] = await find_unchanged(caller, {"email": ANN, **given})
    assert (found is not None) is is_unchanged
    before = len(await caller.event_types())
    if is_unchanged:
        await caller.save(ANN, **given)
        assert len(await caller.event_types()) == before


async def test_invalid_addresses_and_contacts_of_other_projects_are_not_found(caller: Caller) -> None:
    await Caller(caller.runtime, uuid4()).save(BEN)
    assert await find_unchanged(caller, {"email": "no address"}, {"email": BEN}) == [None, None]
