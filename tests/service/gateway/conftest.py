"""A gateway on a port of its own, fakes of the services behind it, and clients of its first project."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from uuid import UUID

import httpx
import msgspec
import pytest

from deploy.embedded.ports import free_ports
from libs.runtime.clock import uuid5, uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import StreamConflict
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually, running
from libs.schemas.gateway import ProjectCreated
from services.gateway.accounts import keys
from services.gateway.accounts.bootstrap import NAMESPACE
from services.gateway.app import build
from tests.conftest import Stack
from tests.service.gateway.fake_services import FakeService


class World(msgspec.Struct, frozen=True):
    """A running gateway. `secret` and `public` are keys of its project."""

    gateway: Runtime
    url: str
    project: UUID
    secret: str
    public: str
    contacts: FakeService
    delivery: FakeService

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key or self.secret}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)


@asynccontextmanager
async def gateway_for(
    stack: Stack,
    secret: str,
    public: str,
    *,
    until_ready: bool = True,
    from_settings: bool = False,
    **changes: object,
) -> AsyncIterator[Runtime]:
    """Run one more gateway on the stack, and wait until it is ready unless `until_ready` is false.

    The keys are those of a project of their own, unless they are given `from_settings`: those are for the first
    project of the database.
    """
    [port] = free_ports(1)
    keys_of = {"bootstrap_secret_key": secret, "bootstrap_public_key": public} if from_settings else {}
    config = stack.settings("gateway", **({"http_port": port, "api_rate_limit": 0} | keys_of | changes))
    async with running(build(config), config) as runtime:
        async with httpx.AsyncClient(base_url=url_of(runtime)) as client:
            await eventually(lambda: _answers(client), within=60)
        if not from_settings:
            await create_project(runtime, secret, public)
        if until_ready:
            await eventually(lambda: _all_pass(runtime))
        yield runtime


async def create_project(gateway: Runtime, secret: str, public: str) -> None:
    """Create the project of these keys, unless it exists."""
    project = uuid5(NAMESPACE, secret)
    issued = [keys.key_issued(key, uuid5(project, key)) for key in (secret, public)]
    with suppress(StreamConflict):
        async with gateway.unit() as unit:
            unit.append([ProjectCreated(project_id=project, name="example.com"), *issued], Origin(project=project))


def url_of(gateway: Runtime) -> str:
    return f"http://127.0.0.1:{gateway.settings.http_port}"


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/livez")).status_code == 200
    except httpx.TransportError:
        return False


async def _all_pass(runtime: Runtime) -> bool:
    return not any([await check() for check in runtime.checks.values()])


@asynccontextmanager
async def fake_service(stack: Stack, name: str) -> AsyncIterator[FakeService]:
    fake = FakeService(name)
    await stack.prepare([fake.service()])
    async with running(fake.service(), stack.settings(name)):
        yield fake


@asynccontextmanager
async def running_world(stack: Stack) -> AsyncIterator[World]:
    """Run a gateway between services that are fake."""
    secret, public = keys.generate("secret"), keys.generate("public")
    async with AsyncExitStack() as running_parts:
        contacts = await running_parts.enter_async_context(fake_service(stack, "contacts"))
        delivery = await running_parts.enter_async_context(fake_service(stack, "delivery"))
        gateway = await running_parts.enter_async_context(gateway_for(stack, secret, public))
        yield World(gateway, url_of(gateway), uuid5(NAMESPACE, secret), secret, public, contacts, delivery)


@pytest.fixture(scope="package")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with running_world(stack) as started:
        yield started


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with the secret key."""
    async with world.client() as client:
        yield client


@pytest.fixture
async def stranger(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client without a key."""
    async with httpx.AsyncClient(base_url=world.url, timeout=30) as client:
        yield client


@pytest.fixture
async def other_project(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with the secret key of another project."""
    secret = await issue_key(world.gateway)
    async with world.client(secret) as client:
        yield client


async def issue_key(gateway: Runtime) -> str:
    """Return the secret key of a new project."""
    project, secret = uuid7(), keys.generate("secret")
    async with gateway.unit() as unit:
        unit.append([keys.key_issued(secret, uuid7())], Origin(project=project))
    return secret
