"""Publishing many messages to a stream at once.

With `sync_interval: always` every single publish costs an fsync; an atomic batch (ADR-50 of nats-server, 2.12 and
later) costs about four, however long. nats-py has no call for it, so the headers are written here. The server refuses
a batch that contains a message id which it already has (a repeat after a crash); such a batch goes out singly, where
repeats are acknowledged as duplicates.
"""

from collections.abc import Sequence
from uuid import uuid4

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import APIError

log = structlog.get_logger()

TIMEOUT = 5.0
MAX_BATCH = 500
MAX_BATCH_BYTES = 4 * 1024 * 1024


class Outgoing(msgspec.Struct, frozen=True):
    """A message to publish; its headers carry `Nats-Msg-Id`."""

    subject: str
    headers: dict[str, str]
    body: bytes


class _Ack(msgspec.Struct):
    error: dict[str, object] | None = None


_decode_ack = msgspec.json.Decoder(_Ack).decode


class BatchRefused(Exception):
    """The server stored nothing of the batch."""


class Publisher:
    """Publishes to one stream, in order. Safe for one caller at a time."""

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._js = client.jetstream(timeout=TIMEOUT)
        self._stream = stream

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        """Store the messages in order; answers how many from the start are certainly stored."""
        stored = 0
        for batch in _batches(messages):
            done = await self._publish_batch(batch)
            stored += done
            if done < len(batch):
                break
        return stored

    async def _publish_batch(self, batch: Sequence[Outgoing]) -> int:
        if len(batch) == 1:
            return await self._publish_singly(batch)
        try:
            await self._publish_atomically(batch)
        except (BatchRefused, NatsError, TimeoutError) as refused:
            log.info("publisher.batch_refused", stream=self._stream, size=len(batch), error=str(refused))
            return await self._publish_singly(batch)
        return len(batch)

    async def _publish_atomically(self, batch: Sequence[Outgoing]) -> None:
        batch_id, last = uuid4().hex, len(batch)
        for place, message in enumerate(batch, start=1):
            headers = message.headers | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(place)}
            if place in (1, last):
                commit = {"Nats-Batch-Commit": "1"} if place == last else {}
                answer = await self._client.request(message.subject, message.body, TIMEOUT, headers=headers | commit)
                _check(answer.data)
            else:
                await self._client.publish(message.subject, message.body, headers=headers)

    async def _publish_singly(self, batch: Sequence[Outgoing]) -> int:
        for done, message in enumerate(batch):
            try:
                await self._js.publish(
                    message.subject, message.body, timeout=TIMEOUT, stream=self._stream, headers=dict(message.headers)
                )
            except (APIError, NatsError, TimeoutError) as failure:
                log.warning("publisher.failed", subject=message.subject.split(".", 2)[1], error=repr(failure))
                return done
        return len(batch)


def _check(answer: bytes) -> None:
    if answer and (error := _decode_ack(answer).error):
        raise BatchRefused(str(error))


def _batches(messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """Split by count and by bytes, so that a batch stays within what the server takes and the client buffers."""
    batches: list[list[Outgoing]] = []
    size = 0
    for message in messages:
        if not batches or len(batches[-1]) == MAX_BATCH or size + len(message.body) > MAX_BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += len(message.body)
    return batches
