"""What all tests share: one Postgres and one NATS per worker, prepared like `godwit migrate` does."""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import hypothesis
import msgspec
import nats
import pytest
from nats.aio.client import Client
from xdist.remote import Producer

from deploy.embedded.backend import Backend
from deploy.provisioning.prepare import prepare_services
from deploy.services import declared_services
from libs.runtime.operations.migrations import role_of
from libs.runtime.process.lifecycle import raise_file_limit
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually
from tests import distribution
from tests.backends import role_passwords, url_as
from tests.backends import test_backend as backend_for_tests

# An example may take as long as it takes, because a busy machine is no failure. Every run tries the same examples;
# `--hypothesis-profile=exploring` looks for new ones.
_UNHURRIED = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("exploring", _UNHURRIED)
hypothesis.settings.register_profile("repeatable", _UNHURRIED, derandomize=True)
hypothesis.settings.load_profile("repeatable")

BACKLOG_LIMIT = 240.0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return distribution.workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> distribution.SerialFirst | None:
    return distribution.SerialFirst(config, log) if config.getoption("dist") == "loadfile" else None


class Stack:
    """The servers of this worker, on which every service has its schema, role, streams and consumers."""

    def __init__(self, backend: Backend, client: Client) -> None:
        self.admin_url = backend.admin_url
        self.nats_url = backend.nats_url
        self.client = client

    def settings(self, service: str, **changes: object) -> Settings:
        """Return the settings for a process of the service on these servers."""
        defaults = {"retry_delays": "0.05,0.1", "unknown_grace": 2.0, "log_format": "console", "log_level": "warning"}
        defaults["restore_guard"] = False  # tests publish events of services that never recorded them
        fixed = {"database_url": self.url_as(role_of(service)), "nats_url": self.nats_url}
        return msgspec.convert({**defaults, **fixed, **changes}, Settings)

    def url_as(self, role: str) -> str:
        """Return the address of the database for this role."""
        return url_as(role, self.admin_url)

    async def prepare(self, services: Sequence[Service]) -> None:
        """Prepare services that exist only in a test."""
        await prepare_services(self.admin_url, self.nats_url, services, role_passwords(services))

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """Yield a connection of the owner whose changes are rolled back, also those to roles."""
        conn = await asyncpg.connect(self.admin_url)
        transaction = conn.transaction()
        await transaction.start()
        yield conn
        await transaction.rollback()
        await conn.close()

    async def until_caught_up(self, service: str) -> None:
        """Wait until a service that has just started has handled the events that earlier tests left on the bus."""
        js = self.client.jetstream()

        async def nothing_left() -> bool:
            consumer = await js.consumer_info("EVENTS", f"{service}-events")
            return not (consumer.num_pending or consumer.num_ack_pending)

        await eventually(nothing_left, BACKLOG_LIMIT)


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    directory = TemporaryDirectory(prefix="godwit-test-", ignore_cleanup_errors=True)
    with directory as data_dir, backend_for_tests(Path(data_dir)) as servers:
        yield servers


@pytest.fixture(scope="session")
async def stack(backend: Backend) -> AsyncIterator[Stack]:
    services = declared_services()
    await prepare_services(backend.admin_url, backend.nats_url, services, role_passwords(services))
    client = await nats.connect(backend.nats_url)
    yield Stack(backend, client)
    await client.close()


@pytest.fixture
def project() -> UUID:
    """A project that only this test uses, so that tests can share servers."""
    return uuid4()


os.environ.setdefault("NO_COLOR", "1")
raise_file_limit()  # services run in the process of their tests
