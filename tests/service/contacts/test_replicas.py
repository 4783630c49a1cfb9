"""Two replicas of the service at once: no change is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import running
from services.contacts.app import build
from services.contacts.fields.read_models import contact_field
from tests.conftest import Stack
from tests.service.contacts.caller import Caller

CONTACTS, CHANGES = 3, 16


@pytest.fixture
async def replica(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("contacts", instance="2")
    async with running(build(config), config) as runtime:
        yield runtime


async def test_concurrent_changes_of_different_keys_all_survive(caller: Caller, replica: Runtime) -> None:
    people = [await caller.save(f"user{n}@example.com") for n in range(CONTACTS)]
    calls = [
        caller.update(each.id, data={f"key{n}": n}, subscribed=n % 2 == 0) for n in range(CHANGES) for each in people
    ]
    await asyncio.gather(*calls)
    everything = {f"key{n}": n for n in range(CHANGES)}
    for each in people:
        assert (await caller.get(each.id)).data == everything
    updates = await caller.events_of("contact.updated")
    assert len(updates) == CONTACTS * CHANGES


async def test_counts_of_fields_are_exact_across_replicas(caller: Caller, contacts: Runtime, replica: Runtime) -> None:
    names = [f"user{n}@example.com" for n in range(60)]
    created = await asyncio.gather(*(caller.save(name, data={"plan": "free", "n": 1}) for name in names))
    changes: list[Any] = [caller.update(each.id, data={"plan": "pro", "n": None}) for each in created[:30]]
    changes += [caller.delete(each.id) for each in created[30:40]]
    await asyncio.gather(*changes)
    async with contacts.pool.acquire() as conn:
        fields = await contact_field.load_fields(conn, caller.project)
        plans = await contact_field.load_values(conn, caller.project, "plan")
        count = await contact_field.count_contacts(conn, caller.project)
    assert {name: dict(field.types) for name, field in fields.items()} == {"plan": {"string": 50}, "n": {"number": 20}}
    assert count == 50 and sorted(plans) == ["free", "pro"]
    assert (await caller.page(limit=1)).total == 50
