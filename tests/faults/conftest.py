"""One stack for the fault tests of a file. Every test leaves it healed and quiet."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.faults.load import Load
from tests.faults.quiet import quiet
from tests.faults.rig import Rig, running


@pytest.fixture(scope="package")
async def stack_of_faults(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running(tmp_path_factory.mktemp("faults")) as started:
        yield started


@pytest.fixture
async def rig(stack_of_faults: Rig) -> AsyncIterator[Rig]:
    yield stack_of_faults
    await stack_of_faults.heal()
    await stack_of_faults.allow(1000)
    await quiet(stack_of_faults)


@pytest.fixture
def load(rig: Rig) -> Load:
    return Load(rig, seed=1, name=f"t{uuid4().hex[:10]}")
