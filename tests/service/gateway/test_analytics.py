"""Figures over time: requests that are rejected before a service is asked."""

import httpx
import pytest

from tests.service.gateway.test_requests import error_of


@pytest.mark.parametrize("query", [
    "startDate=yesterday", "endDate=2026-13-01", "startDate=2026-02-01&endDate=2026-01-01",
    "startDate=2026-01-01&endDate=2026-04-01", "startDate=0001-01-01T00:00:00%2B14:00",
])  # fmt: skip
async def test_invalid_dates_are_rejected(api: httpx.AsyncClient, query: str) -> None:
    answer = await api.get(f"/analytics/timeseries?{query}")
    assert error_of(answer) == (422, "VALIDATION_ERROR")
    assert answer.json()["error"]["errors"][0]["field"] in ("startDate", "endDate")
