"""Asking contacts to confirm their subscription."""

from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.process.testing import tell
from libs.schemas.contacts.contacts import (
    AskForConfirmation,
    ContactView,
    DeleteContact,
    DeletedContact,
)
from tests.service.contacts.caller import Caller


async def ask(caller: Caller, contact_id: UUID) -> ContactView:
    command = AskForConfirmation(contact_id=contact_id)
    return await tell(caller.client, caller.project, command, ContactView)


async def test_a_contact_can_be_asked_once_an_hour_and_deletion_erases_that(caller: Caller) -> None:
    ann = await caller.save(subscribed=False)
    assert (await ask(caller, ann.id)).subscribed is False
    with pytest.raises(Rejected) as no:
        await ask(caller, ann.id)
    assert no.value.code == "RATE_LIMIT_EXCEEDED"
    assert (await caller.event_types()).count("contact.confirmation_asked") == 1
    await tell(caller.client, caller.project, DeleteContact(contact_id=ann.id), DeletedContact)
    kept = "select count(*) from confirmation where project = $1"
    assert await caller.runtime.pool.fetchval(kept, caller.project) == 0


async def test_unknown_and_subscribed_contacts_are_not_asked(caller: Caller) -> None:
    subscriber = await caller.save()
    codes = []
    for contact_id in (uuid7(), subscriber.id):
        with pytest.raises(Rejected) as no:
            await ask(caller, contact_id)
        codes.append(no.value.code)
    assert codes == ["CONTACT_NOT_FOUND", "CONTACT_ALREADY_SUBSCRIBED"]
