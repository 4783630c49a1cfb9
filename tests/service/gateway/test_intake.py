"""Notifications on their way to the bus."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import httpx
import pytest
from nats.aio.client import Client

from libs.runtime.bus import Unavailable
from libs.runtime.publisher import Outgoing, Publisher
from services.gateway import intake as intake_module
from services.gateway.intake import Intake
from tests.conftest import Stack
from tests.service.gateway.test_requests import told


@pytest.fixture
async def subject(stack: Stack) -> AsyncIterator[str]:
    """A subject of INGEST that nobody else uses, empty again afterwards."""
    name = f"ingest.test-{uuid4()}"
    yield name
    await stack.client.jetstream().purge_stream("INGEST", subject=name)


async def stored(client: Client, subject: str) -> int:
    info = await client.jetstream().stream_info("INGEST", subjects_filter=subject)
    return (info.state.subjects or {}).get(subject, 0)


def headers(message_id: object = None) -> dict[str, str]:
    return {"Nats-Msg-Id": str(message_id or uuid4())}


class Broken(Publisher):
    """A bus that stores the first message of a batch and then fails."""

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        await super().publish(messages[:1])
        return 1


async def test_what_is_taken_is_stored_once(stack: Stack, subject: str) -> None:
    intake = Intake(Publisher(stack.client, "INGEST"))
    running = asyncio.create_task(intake.run())
    ids = [uuid4() for _ in range(300)]
    await asyncio.gather(*(intake.take(subject, b"{}", headers(each)) for each in [*ids, *ids[:50]]))
    await asyncio.gather(*(intake.take(subject, b"{}", headers(each)) for each in ids[:50]))
    assert await stored(stack.client, subject) == 300
    running.cancel()


async def test_what_is_not_stored_is_not_taken(stack: Stack, subject: str) -> None:
    intake = Intake(Broken(stack.client, "INGEST"))
    taking = [asyncio.create_task(intake.take(subject, b"{}", headers())) for _ in range(3)]
    await asyncio.sleep(0)
    running = asyncio.create_task(intake.run())
    outcomes = await asyncio.gather(*taking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), Unavailable, Unavailable]
    assert await stored(stack.client, subject) == 1
    running.cancel()


async def test_more_than_can_wait_is_turned_away(stack: Stack, subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_WAITING", 2)
    intake = Intake(Publisher(stack.client, "INGEST"))
    waiting = [asyncio.create_task(intake.take(subject, b"{}", headers())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await intake.take(subject, b"{}", headers())
    running = asyncio.create_task(intake.run())
    await asyncio.gather(*waiting)
    running.cancel()


async def test_a_message_that_is_none_of_sns_is_refused_in_the_envelope(stranger: httpx.AsyncClient) -> None:
    for path in ("/webhooks/sns", "/webhooks/incoming/sns", "/api/webhooks/sns"):
        assert told(await stranger.post(path, content=b'{"Type":"Notification"}')) == (400, "BAD_REQUEST")
    assert told(await stranger.post("/webhooks/sns", content=b"x" * 600_000)) == (413, "PAYLOAD_TOO_LARGE")
