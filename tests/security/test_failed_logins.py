"""Whoever tries keys is seen: every failed log-in is counted and logged, without what was tried."""

from collections.abc import MutableMapping
from typing import Any

import httpx
import structlog

from services.gateway.accounts.failed_logins import FAILED_LOGINS, LINES_PER_MINUTE, FailedLogins
from tests.service.gateway.conftest import World

Line = MutableMapping[str, Any]
GUESS = "sk_guess0000000000000000000000000000000000000000"


def counted(door: str, reason: str) -> float:
    return float(FAILED_LOGINS.labels(door, reason)._value.get())


def lines_of(lines: list[Line], door: str) -> list[Line]:
    return [line for line in lines if line["event"] == "login.failed" and line["door"] == door]


async def test_a_wrong_key_is_counted_and_logged_without_the_key(world: World) -> None:
    before = counted("http", "invalid_api_key")
    with structlog.testing.capture_logs() as lines:
        async with world.client(GUESS) as client:
            assert (await client.get("/contacts")).status_code == 401
    assert counted("http", "invalid_api_key") == before + 1
    assert [line["peer"] for line in lines_of(lines, "http")] == ["127.0.0.1"]
    assert GUESS not in str(lines)


async def test_a_missing_key_is_counted(world: World) -> None:
    before = counted("http", "missing_auth")
    async with httpx.AsyncClient(base_url=world.url) as client:
        await client.get("/contacts")
    assert counted("http", "missing_auth") == before + 1


def test_guessing_does_not_fill_the_log() -> None:
    logins = FailedLogins("test")
    with structlog.testing.capture_logs() as lines:
        for _ in range(5 * LINES_PER_MINUTE):
            logins.note("invalid_api_key", ("192.0.2.1", 1))
    assert LINES_PER_MINUTE <= len(lines_of(lines, "test")) <= 2 * LINES_PER_MINUTE  # a minute may end meanwhile
    assert counted("test", "invalid_api_key") == 5 * LINES_PER_MINUTE
