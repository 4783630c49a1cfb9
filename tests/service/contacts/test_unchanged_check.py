"""Whom saving would leave as they are."""

from typing import Any
from uuid import uuid4

import pytest

from libs.runtime.clock import uuid7
from libs.schemas.contacts.contacts import FindUnchangedContacts, SaveContact, UnchangedContact
from tests.service.contacts.caller import Caller

ANN, BEN = "ann@example.com", "ben@example.com"


async def known(caller: Caller, *saves: dict[str, Any]) -> list[UnchangedContact | None]:
    contacts = [SaveContact(contact_id=uuid7(), default_subscribed=False, **save) for save in saves]
    return await caller.runtime.ask(
        caller.project, FindUnchangedContacts(contacts=contacts), list[UnchangedContact | None]
    )


async def test_those_are_known_who_have_all_of_it_already(caller: Caller) -> None:
    ann = await caller.save(ANN, data={"plan": "pro", "seats": 1}, subscribed=True)
    found = await known(caller, {"email": "nobody@example.com"}, {"email": f" {ANN.upper()}", "data": {"seats": 1.0}})
    assert found == [None, UnchangedContact(id=ann.id, email=ANN, subscribed=True)]


@pytest.mark.parametrize(
    ("given", "is_known"),
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
async def test_what_would_be_saved_or_refused_is_not_known(
    caller: Caller, given: dict[str, Any], is_known: bool
) -> None:
    await caller.save(ANN, data={"plan": "pro", "seats": 1}, default_subscribed=False)
    [found] = await known(caller, {"email": ANN, **given})
    assert (found is not None) is is_known
    before = len(await caller.said())
    if is_known:
        await caller.save(ANN, **given)
        assert len(await caller.said()) == before


async def test_what_is_no_address_is_nobodys_and_another_projects_contact_neither(caller: Caller) -> None:
    await Caller(caller.runtime, uuid4()).save(BEN)
    assert await known(caller, {"email": "no address"}, {"email": BEN}) == [None, None]
