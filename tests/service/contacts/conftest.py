"""Runs the contacts service, and gives each test a caller with a project of its own."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import running
from services.contacts.app import build
from tests.conftest import Stack
from tests.service.contacts.caller import Caller


@pytest.fixture(scope="package")
async def contacts(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("contacts")
    async with running(build(config), config) as runtime:
        yield runtime


@pytest.fixture
def caller(contacts: Runtime, project: UUID) -> Caller:
    return Caller(contacts, project)
