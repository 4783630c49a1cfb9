"""A gateway for those who attack it. The fixtures are those of the gateway's own tests."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Stack
from tests.service.gateway.conftest import World, api, other_project, running_world, stranger

__all__ = ["api", "other_project", "stranger", "world"]


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    """For one file only: its fake services would answer what other files ask of the real ones."""
    async with running_world(stack) as started:
        yield started
