"""A delivery service on real Postgres and NATS that sends into the SES sandbox."""

import os
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import running
from services.delivery.app import build
from services.feedback.app import build as build_feedback
from tests.conftest import Stack
from tests.service.delivery import sandbox as sandboxes
from tests.service.delivery.driver import DeliveryDriver
from tests.service.delivery.sandbox import Sandbox
from tests.service.gateway.nameserver import Nameserver, nameserver

os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxes.running(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture(autouse=True)
def healthy(sandbox: Sandbox) -> Iterator[None]:
    """Remove the faults that a test planted."""
    yield
    sandbox.heal()


@pytest.fixture(scope="module")
async def dns() -> AsyncIterator[tuple[Nameserver, str]]:
    async with nameserver() as serving:
        yield serving


@pytest.fixture(scope="module")
def config(stack: Stack, sandbox: Sandbox, dns: tuple[Nameserver, str]) -> Settings:
    return stack.settings("delivery", aws_endpoint_url=sandbox.url, dns_servers=dns[1])


@pytest.fixture(scope="module")
async def delivery(config: Settings, stack: Stack) -> AsyncIterator[Runtime]:
    async with running(build(config), config) as runtime:
        await stack.until_caught_up("delivery")
        yield runtime


@pytest.fixture(scope="module", autouse=True)
async def feedback(stack: Stack) -> AsyncIterator[Runtime]:
    """Run feedback, which delivery asks before it resends a mail."""
    config = stack.settings("feedback")
    async with running(build_feedback(config), config) as runtime:
        yield runtime


@pytest.fixture
def driver(delivery: Runtime, project: UUID) -> DeliveryDriver:
    return DeliveryDriver(delivery, project)
