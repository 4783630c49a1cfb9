"""The start and the stop of a gateway."""

import asyncio

import asyncpg
import httpx
import pytest

from libs.runtime.clock import uuid5
from libs.runtime.process.health import Check
from libs.runtime.process.testing import eventually, facts
from services.gateway.accounts import keys
from services.gateway.accounts.bootstrap import NAMESPACE
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for, url_of
from tests.service.gateway.test_requests import EVENT


@pytest.fixture
async def no_first_project(world: World, stack: Stack) -> None:
    """Let the database forget which keys came from the settings, so that the next ones make a project."""
    conn = await asyncpg.connect(stack.admin_url)
    await conn.execute("update gateway.api_key set from_settings = false")
    await conn.close()


@pytest.mark.usefixtures("no_first_project")
async def test_the_first_project_is_created_once_by_any_number_of_replicas(world: World, stack: Stack) -> None:
    secret, public = keys.generate("secret"), keys.generate("public")
    first = gateway_for(stack, secret, public, from_settings=True)
    async with first as one, gateway_for(stack, secret, public, from_settings=True) as two:
        recorded = await facts(one, uuid5(NAMESPACE, secret))
        for gateway in (one, two):
            async with httpx.AsyncClient(base_url=url_of(gateway)) as client:
                tracked = await client.post("/v1/track", json=EVENT, headers={"Authorization": f"Bearer {public}"})
                assert tracked.status_code == 200
    assert [kind for kind, _ in recorded] == ["project.created", "key.issued", "key.issued"]
    assert [data.get("kind") for _, data in recorded] == [None, "secret", "public"]
    assert secret not in str(recorded)


@pytest.mark.usefixtures("no_first_project")
async def test_a_gateway_is_ready_once_the_domain_of_the_first_project_is_added(world: World, stack: Stack) -> None:
    secret = keys.generate("secret")
    world.delivery.open.clear()
    try:
        public, domain = keys.generate("public"), "first.example"
        starting = gateway_for(stack, secret, public, until_ready=False, from_settings=True, bootstrap_domain=domain)
        async with starting as gateway:
            assert await gateway.checks["bootstrap"]() is not None
            world.delivery.open.set()
            await eventually(lambda: _is_ready(gateway.checks["bootstrap"]))
    finally:
        world.delivery.open.set()
    [added] = world.delivery.done_for(uuid5(NAMESPACE, secret))
    assert (added.domain, added.verified) == ("first.example", True)


async def _is_ready(check: Check) -> bool:
    return await check() is None


async def test_a_running_request_is_answered_before_the_process_ends(world: World, stack: Stack) -> None:
    world.contacts.open.clear()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {world.secret}"}, timeout=20) as client:
        async with gateway_for(stack, world.secret, world.public) as gateway:
            url = url_of(gateway)
            asked = asyncio.create_task(client.post(f"{url}/v1/track", json=EVENT))
            await asyncio.sleep(0.3)
            asyncio.get_running_loop().call_later(0.5, world.contacts.open.set)
        assert (await asked).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/livez")


async def test_two_gateways_share_one_port(world: World, stack: Stack) -> None:
    port = world.gateway.settings.http_port
    second = gateway_for(stack, world.secret, world.public, http_port=port)
    async with second, httpx.AsyncClient(base_url=world.url) as client:
        answers = [(await client.get("/livez", headers={"Connection": "close"})).status_code for _ in range(20)]
    assert set(answers) == {200}
    async with httpx.AsyncClient(base_url=world.url) as client:
        assert (await client.get("/livez")).status_code == 200
