"""Contacts that paused their mails are subscribed again automatically."""

from datetime import timedelta

import msgspec

from libs.kernel.instants import iso
from libs.runtime.clock import now
from libs.runtime.process.testing import eventually
from tests.service.contacts.caller import Caller

MONTH = timedelta(days=30)


async def test_a_pause_ends_automatically(caller: Caller) -> None:
    ann = await caller.save()
    until = now() + timedelta(seconds=1.5)
    view = await caller.pause(ann.id, until)
    assert (view.subscribed, view.snoozed_until) == (False, iso(until))
    assert (await caller.get(ann.id)).snoozed_until == iso(until)

    async def back() -> bool:
        return (await caller.get(ann.id)).subscribed

    await eventually(back)
    assert (await caller.get(ann.id)).snoozed_until is msgspec.UNSET
    assert (await caller.event_types())[-2:] == ["contact.unsubscribed", "contact.subscribed"]


async def test_a_changed_or_permanent_pause_does_not_end_at_its_old_time(caller: Caller) -> None:
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


async def test_other_changes_of_a_contact_keep_its_pause(caller: Caller) -> None:
    ann = await caller.save()
    paused = await caller.pause(ann.id, now() + MONTH)
    changed = await caller.update(ann.id, data={"plan": "pro"})
    assert (changed.subscribed, changed.snoozed_until) == (False, paused.snoozed_until)
