"""Contacts that pause their mails come back by themselves."""

from datetime import timedelta

import msgspec

from libs.kernel.instants import iso
from libs.runtime.clock import now
from libs.runtime.process.testing import eventually
from tests.service.contacts.caller import Caller

MONTH = timedelta(days=30)


async def test_a_pause_ends_by_itself(caller: Caller) -> None:
    ann = await caller.save()
    until = now() + timedelta(seconds=1.5)
    view = await caller.pause(ann.id, until)
    assert (view.subscribed, view.snoozed_until) == (False, iso(until))
    assert (await caller.get(ann.id)).snoozed_until == iso(until)

    async def back() -> bool:
        return (await caller.get(ann.id)).subscribed

    await eventually(back)
    assert (await caller.get(ann.id)).snoozed_until is msgspec.UNSET
    assert (await caller.said())[-2:] == ["contact.unsubscribed", "contact.subscribed"]


async def test_a_pause_that_was_changed_or_made_for_good_does_not_end_at_its_old_end(caller: Caller) -> None:
    longer, gone, marker = [await caller.save(f"{name}@example.com") for name in ("longer", "gone", "marker")]
    soon = now() + timedelta(seconds=1)
    for contact in (longer, gone):
        await caller.pause(contact.id, soon)
    await caller.pause(longer.id, now() + MONTH)
    await caller.unsubscribe(gone.id)
    await caller.pause(marker.id, soon + timedelta(milliseconds=500))

    async def marker_is_back() -> bool:
        return (await caller.get(marker.id)).subscribed

    await eventually(marker_is_back)  # timers fire in order, so theirs have had their turn
    assert not (await caller.get(longer.id)).subscribed
    assert not (await caller.get(gone.id)).subscribed
    assert (await caller.get(gone.id)).snoozed_until is msgspec.UNSET


async def test_other_changes_of_a_contact_leave_its_pause_alone(caller: Caller) -> None:
    ann = await caller.save()
    paused = await caller.pause(ann.id, now() + MONTH)
    changed = await caller.update(ann.id, data={"plan": "pro"})
    assert (changed.subscribed, changed.snoozed_until) == (False, paused.snoozed_until)
