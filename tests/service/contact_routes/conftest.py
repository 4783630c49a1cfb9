"""The contacts service and the services that use contacts behind the gateway, called over HTTP as by a customer.

It lies outside the package of the gateway, whose fake services would answer first.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx
import msgspec
import pytest

from deploy.services import build_of
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import running
from services.gateway.accounts import keys
from tests.conftest import Stack
from tests.service.gateway.conftest import fake_service, gateway_for, issue_key, url_of


class World(msgspec.Struct, frozen=True):
    contacts: Runtime
    gateway: Runtime


def started(stack: Stack, service: str) -> AbstractAsyncContextManager[Runtime]:
    config = stack.settings(service)
    return running(build_of(service)(config), config)


@pytest.fixture(scope="package")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with (
        fake_service(stack, "delivery"),
        started(stack, "contacts") as contacts,
        started(stack, "campaigns"),
        started(stack, "workflows"),
        gateway_for(stack, keys.generate("secret"), keys.generate("public")) as gateway,
    ):
        yield World(contacts, gateway)


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with the secret key of a new project."""
    async with await client_of(world) as client:
        yield client


@pytest.fixture
async def stranger(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with the key of another project."""
    async with await client_of(world) as client:
        yield client


async def client_of(world: World) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {await issue_key(world.gateway)}"}
    return httpx.AsyncClient(base_url=url_of(world.gateway), headers=headers, timeout=30)
