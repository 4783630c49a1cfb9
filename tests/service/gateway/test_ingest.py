"""Notifications are stored on the bus."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from nats.aio.client import Client

from libs.runtime.clock import now
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.publisher import Outgoing, Publisher
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications
from services.gateway.sns import bus_message
from services.gateway.sns import ingest as ingest
from services.gateway.sns.ingest import (
    MAX_CHARACTERS,
    MAX_PER_MESSAGE,
    IngestQueue,
    batches_of,
)
from tests.conftest import Stack
from tests.service.gateway.test_requests import error_of

decode = msgspec.json.Decoder(RecordNotification | RecordNotifications).decode


@pytest.fixture
async def subject(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Publish to a subject of INGEST that only this test uses, and purge it afterwards."""
    name = f"ingest.test-{uuid4()}"
    monkeypatch.setattr(bus_message, "SUBJECT", name)
    yield name
    await stack.client.jetstream().purge_stream("INGEST", subject=name)


async def stored(client: Client, subject: str) -> list[UUID]:
    """Return the ids of the notifications on the subject, in order."""
    js, found, place = client.jetstream(), [], 0
    held = (await js.stream_info("INGEST", subjects_filter=subject)).state.subjects or {}
    for _ in range(held.get(subject, 0)):
        raw = await js.get_msg("INGEST", seq=place, next=True, subject=subject)
        place = (raw.seq or 0) + 1
        message = decode(raw.data or b"")
        each = message.notifications if isinstance(message, RecordNotifications) else [message]
        found += [one.notification_id for one in each]
    return found


def notification(known: UUID | None = None, message: str = "{}") -> RecordNotification:
    return RecordNotification(notification_id=known or uuid4(), topic_arn="topic", sent_at=now(), message=message)


class Broken(Publisher):
    """A bus that stores the first message of a batch and then fails."""

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        await super().publish(messages[:1])
        return 1


async def test_a_notification_is_stored_once(stack: Stack, subject: str) -> None:
    queue = IngestQueue(Publisher(stack.client, "INGEST"))
    ids = [uuid4() for _ in range(300)]
    taking = [asyncio.create_task(queue.store(notification(each))) for each in [*ids, *ids[:50]]]
    await asyncio.sleep(0)
    running = asyncio.create_task(queue.run())
    await asyncio.gather(*taking)
    assert await stored(stack.client, subject) == ids
    running.cancel()


async def test_a_notification_that_is_not_stored_is_not_accepted(stack: Stack, subject: str) -> None:
    queue = IngestQueue(Broken(stack.client, "INGEST"))
    ids = [uuid4() for _ in range(MAX_PER_MESSAGE + 2)]
    taking = [asyncio.create_task(queue.store(notification(each))) for each in ids]
    await asyncio.sleep(0)
    running = asyncio.create_task(queue.run())
    outcomes = await asyncio.gather(*taking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None)] * MAX_PER_MESSAGE + [Unavailable] * 2
    assert await stored(stack.client, subject) == ids[:MAX_PER_MESSAGE]
    running.cancel()


async def test_notifications_over_the_limit_are_rejected(
    stack: Stack, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_WAITING", 2)
    queue = IngestQueue(Publisher(stack.client, "INGEST"))
    waiting = [asyncio.create_task(queue.store(notification())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await queue.store(notification())
    running = asyncio.create_task(queue.run())
    await asyncio.gather(*waiting)
    running.cancel()


def test_a_batch_fits_into_a_message_of_the_bus() -> None:
    large = [notification(message="x" * (MAX_CHARACTERS // 2 + 1)) for _ in range(3)]
    small = [notification() for _ in range(MAX_PER_MESSAGE + 1)]
    parcels = batches_of([*large, *small])
    assert [len(parcel) for parcel in parcels] == [1, 1, MAX_PER_MESSAGE, 2]
    assert [one for parcel in parcels for one in parcel] == [*large, *small]


async def test_a_message_that_is_not_from_sns_is_rejected_with_the_error_envelope(stranger: httpx.AsyncClient) -> None:
    for path in ("/webhooks/sns", "/webhooks/incoming/sns", "/api/webhooks/sns"):
        assert error_of(await stranger.post(path, content=b'{"Type":"Notification"}')) == (400, "BAD_REQUEST")
    assert error_of(await stranger.post("/webhooks/sns", content=b"x" * 600_000)) == (413, "PAYLOAD_TOO_LARGE")


async def test_raw_delivery_without_a_signature_is_rejected(stranger: httpx.AsyncClient) -> None:
    raw = {"x-amz-sns-rawdelivery": "true"}
    answer = await stranger.post("/webhooks/sns", content=b'{"eventType":"Open"}', headers=raw)
    assert error_of(answer) == (403, "FORBIDDEN")
