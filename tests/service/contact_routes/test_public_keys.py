"""What somebody with a public key can do to contacts: add, and learn nothing (S-07)."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Origin
from services.gateway.accounts import keys
from tests.service.contact_routes.conftest import World
from tests.service.gateway.conftest import url_of


class Callers(msgspec.Struct, frozen=True):
    """Clients of one project, with its secret and with its public key."""

    secret: httpx.AsyncClient
    public: httpx.AsyncClient

    async def saved(self, email: str, **fields: Any) -> str:
        """Save a contact with the secret key and return its id."""
        response = await self.secret.post("/contacts", json={"email": email, **fields})
        assert response.status_code in (200, 201), response.text
        return str(response.json()["id"])

    async def track(self, email: str, **fields: Any) -> httpx.Response:
        response = await self.public.post("/v1/track", json={"email": email, "event": "signed-up", **fields})
        assert response.status_code == 200, response.text
        return response

    async def contact(self, contact_id: str) -> dict[str, Any]:
        response = await self.secret.get(f"/contacts/{contact_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def contact_at(self, email: str) -> dict[str, Any]:
        response = await self.secret.get("/contacts", params={"search": email})
        [contact] = response.json()["data"]
        return dict(contact)


@pytest.fixture
async def callers(world: World) -> AsyncIterator[Callers]:
    project, secret, public = uuid7(), keys.generate("secret"), keys.generate("public")
    async with world.gateway.unit() as unit:
        unit.append([keys.key_issued(key, uuid7()) for key in (secret, public)], Origin(project=project))
    async with client(world, secret) as with_secret, client(world, public) as with_public:
        yield Callers(with_secret, with_public)


def client(world: World, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=url_of(world.gateway), headers=headers, timeout=30)


async def test_a_public_key_adds_data_and_overwrites_none(callers: Callers) -> None:
    contact_id = await callers.saved("ada@example.com", data={"firstName": "Ada", "plan": "pro"})
    await callers.track("ada@example.com", data={"firstName": "Click here", "plan": None, "color": "red"})
    assert (await callers.contact(contact_id))["data"] == {"firstName": "Ada", "plan": "pro", "color": "red"}
    await callers.track("ada@example.com", data={"color": "blue"})
    assert (await callers.contact(contact_id))["data"]["color"] == "red"


@pytest.mark.parametrize("subscribed", [True, False])
@pytest.mark.parametrize("wanted", [True, False, None])
async def test_a_public_key_does_not_change_a_subscription(
    callers: Callers, subscribed: bool, wanted: bool | None
) -> None:
    contact_id = await callers.saved("ada@example.com", subscribed=subscribed)
    await callers.track("ada@example.com", subscribed=wanted)
    assert (await callers.contact(contact_id))["subscribed"] is subscribed


async def test_a_new_contact_is_as_the_event_says(callers: Callers) -> None:
    await callers.track("new@example.com", data={"color": "red"})
    await callers.track("quiet@example.com", subscribed=False)
    new, quiet = await callers.contact_at("new@example.com"), await callers.contact_at("quiet@example.com")
    assert (new["subscribed"], new["data"], quiet["subscribed"]) == (True, {"color": "red"}, False)


async def test_the_secret_key_still_overwrites_and_unsubscribes(callers: Callers) -> None:
    contact_id = await callers.saved("ada@example.com", data={"plan": "free"})
    event = {"email": "ada@example.com", "event": "bought", "data": {"plan": "pro"}, "subscribed": False}
    assert (await callers.secret.post("/v1/track", json=event)).status_code == 200
    contact = await callers.contact(contact_id)
    assert (contact["subscribed"], contact["data"]) == (False, {"plan": "pro"})


async def test_an_answer_does_not_tell_whether_the_data_had_room(callers: Callers) -> None:
    contact_id = await callers.saved("full@example.com", data={"notes": "x" * 120_000})
    await callers.track("full@example.com", data={"more": "y" * 20_000})
    assert list((await callers.contact(contact_id))["data"]) == ["notes"]
