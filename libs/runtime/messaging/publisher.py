"""A publisher that sends many messages to a stream in one atomic batch.

With `sync_interval: always` every single publish costs an fsync; an atomic batch (ADR-50 of nats-server, 2.12 and
later) costs about four, however long it is. nats-py does not support it, so the headers are set here. The server
rejects a batch that contains a message id that it already has (a duplicate after a crash); such a batch is published
one by one, and its duplicates are acknowledged as such.
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
    """Raised when the server stored nothing of the batch."""


class Publisher:
    """A publisher to one stream, in order. Safe for one caller at a time."""

    def __init__(self, client: Client, stream: str) -> None:
        self._client = client
        self._js = client.jetstream(timeout=TIMEOUT)
        self._stream = stream

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        """Publish the messages in order. Return how many from the start are certainly stored."""
        stored = 0
        for batch in _batches(messages):
            done = await self._publish_batch(batch)
            stored += done
            if done < len(batch):
                break
        return stored

    async def _publish_batch(self, batch: Sequence[Outgoing]) -> int:
        if len(batch) == 1:
            return await self._publish_one_by_one(batch)
        try:
            await self._publish_atomically(batch)
        except (BatchRefused, NatsError, TimeoutError) as refused:
            log.info("publisher.batch_refused", stream=self._stream, size=len(batch), error=str(refused))
            return await self._publish_one_by_one(batch)
        return len(batch)

    async def _publish_atomically(self, batch: Sequence[Outgoing]) -> None:
        batch_id, last = uuid4().hex, len(batch)
        for number, message in enumerate(batch, start=1):
            headers = message.headers | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            if number in (1, last):
                commit = {"Nats-Batch-Commit": "1"} if number == last else {}
                reply = await self._client.request(message.subject, message.body, TIMEOUT, headers=headers | commit)
                _check(reply.data)
            else:
                await self._client.publish(message.subject, message.body, headers=headers)

    async def _publish_one_by_one(self, batch: Sequence[Outgoing]) -> int:
        for done, message in enumerate(batch):
            try:
                await self._js.publish(
                    message.subject, message.body, timeout=TIMEOUT, stream=self._stream, headers=dict(message.headers)
                )
            except (APIError, NatsError, TimeoutError) as failure:
                log.warning("publisher.failed", subject=message.subject.split(".", 2)[1], error=repr(failure))
                return done
        return len(batch)


def _check(reply: bytes) -> None:
    if reply and (error := _decode_ack(reply).error):
        raise BatchRefused(str(error))


def _batches(messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """Split by count and size, within the limits of the server and of the client's buffer."""
    batches: list[list[Outgoing]] = []
    size = 0
    for message in messages:
        if not batches or len(batches[-1]) == MAX_BATCH or size + len(message.body) > MAX_BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += len(message.body)
    return batches
