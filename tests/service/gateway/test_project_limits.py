"""How much one project may have in progress at a gateway."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from services.gateway.accounts import keys
from services.gateway.bus import bus as gateway_bus
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for, issue_key, url_of

EVENT = {"email": "ada@example.com", "event": "bought"}


@pytest.fixture
async def narrow(stack: Stack, world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, str, str]]:
    """A gateway that sends one command of a project at a time: its URL and the keys of two projects."""
    monkeypatch.setattr(gateway_bus, "MAX_COMMANDS", 1)
    monkeypatch.setattr(gateway_bus, "MAX_WAITING", 0)
    secret = keys.generate("secret")
    async with gateway_for(stack, secret, keys.generate("public")) as gateway:
        yield url_of(gateway), secret, await issue_key(gateway)


def client(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


async def test_too_many_commands_at_once_are_refused_and_can_be_repeated_under_their_key(
    world: World, narrow: tuple[str, str, str]
) -> None:
    url, secret, other = narrow
    repeat = {"Idempotency-Key": uuid4().hex}
    async with client(url, secret) as project, client(url, other) as neighbour:
        world.contacts.open.clear()
        try:
            running = asyncio.create_task(project.post("/v1/track", json=EVENT))
            await asyncio.sleep(0.3)
            refused = await project.post("/v1/track", json=EVENT, headers=repeat)
            unaffected = asyncio.create_task(neighbour.post("/v1/track", json=EVENT))
            await asyncio.sleep(0.3)
            assert not unaffected.done(), "it waits for the service and was not refused"
        finally:
            world.contacts.open.set()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"]["details"]["retryAfter"] == int(refused.headers["Retry-After"])
        assert [(await each).status_code for each in (running, unaffected)] == [200, 200]
        again = await project.post("/v1/track", json=EVENT, headers=repeat)
        assert again.status_code == 200, "the refusal was not kept as the response of the key"


async def test_too_many_exports_at_once_are_refused(world: World, narrow: tuple[str, str, str]) -> None:
    url, secret, _ = narrow
    async with client(url, secret) as project:
        # the fake contacts answers no exports, but a slot is taken before it is asked
        responses = await asyncio.gather(*(project.get("/contacts/export?format=jsonl") for _ in range(12)))
    statuses = {each.status_code for each in responses}
    assert 429 in statuses, statuses
    assert statuses != {429}, statuses
