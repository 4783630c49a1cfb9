"""Outcomes of calls: written again until the commit is confirmed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually
from services.delivery.scheduling import permit_pool
from tests.service.delivery.driver import DeliveryDriver


class LostResponse:
    """Loses the response to the first commit that returns permits. Records how many permits each attempt returns."""

    def __init__(self, delivery: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        self._unit, self._release = delivery.unit, permit_pool.release
        self._lose = False
        self.returned: list[int] = []
        monkeypatch.setattr(delivery, "unit", self.unit)
        monkeypatch.setattr(permit_pool, "release", self.release)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        async with self._unit() as unit:
            yield unit
        if self._lose:
            self._lose = False
            raise ConnectionResetError("the response to COMMIT is lost")

    async def release(self, conn: Connection, *args: Any) -> None:
        returned: Sequence[tuple[datetime, float]] = args[1]
        self._lose = bool(returned) and not self.returned
        if returned or self.returned:
            self.returned.append(len(returned))
        await self._release(conn, *args)


async def test_permits_are_returned_once_even_if_their_outcome_is_written_twice(
    driver: DeliveryDriver, delivery: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await driver.contacts(1)
    lost = LostResponse(delivery, monkeypatch)
    await driver.campaign(people)

    async def written_again() -> bool:
        return len(lost.returned) > 1

    await eventually(written_again)
    first, again = lost.returned[:2]
    assert first >= 1  # more than this mail's if others are due
    assert again == 0
    await driver.reach_states({"sent": 1})
