"""Consume messages from a stream: handle them through group commit, and settle each.

Three kinds of failure, three treatments. A refusal is an answer. What cannot be decoded is dead-lettered at once.
Anything else is tried again after growing delays (a nak ignores the consumer's own back-off) and dead-lettered after
the last; the handler's transaction was rolled back each time, so nothing of it is half done.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.runtime import crash, metrics
from libs.runtime.eventstore.codec import Codec
from libs.runtime.eventstore.envelope import Envelope, envelope_of
from libs.runtime.messaging.group_commit import MAX_TRANSACTION_BYTES, GroupCommit, QueuedMessage
from libs.schemas.base import Message

log = structlog.get_logger()

REPLY_HEADER = "godwit-reply"
COMMAND_HEADER = "godwit-command"
ORIGINAL_ID = "godwit-message-id"
CONSUMER = "godwit-consumer"
SUBJECT = "godwit-subject"
ERROR = "godwit-error"
ATTEMPTS = "godwit-attempts"
REDELIVER = "redeliver"
DECODE_ERRORS = (msgspec.DecodeError, KeyError, ValueError, RecursionError)
DEAD_TIMEOUT = 5.0
TOKENS_WITHOUT_DOMAIN = 9
"""Tokens of the subject by which JetStream has a message acknowledged, where it names no domain and no account."""
SEQUENCE_TOKEN, SEQUENCE_TOKEN_AFTER_DOMAIN = 5, 7


class Consumer:
    """One consumer of one service. `name` is the durable's, the inbox's and the dead letters' name for it."""

    def __init__(
        self, name: str, kinds: Sequence[type[Message]], commit: GroupCommit, client: Client, delays: Sequence[float]
    ) -> None:
        self.name = name
        self.codec: Codec[Any] = Codec(kinds)
        self.commit = commit
        self._client = client
        self._delays = delays

    async def receive(self, raws: Sequence[Msg]) -> None:
        """Handle JetStream messages and settle each: acknowledged after its commit, or later again, or dead."""
        readable = [delivery for raw in raws if (delivery := await self._read(raw))]
        await asyncio.gather(*(self._handle(part) for part in split_by_size(readable)))

    async def _handle(self, deliveries: Sequence["Delivery"]) -> None:
        items = [QueuedMessage(each.envelope, stream_sequence(each.raw), len(each.raw.data)) for each in deliveries]
        outcomes = await self.commit.submit_all(items)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            if isinstance(outcome, Exception):
                await self._try_later(delivery.raw, outcome)
            else:
                await self._settle(delivery, outcome)

    async def _read(self, raw: Msg) -> "Delivery | None":
        try:
            _, headers = origin_of(raw)
            return Delivery(raw, envelope_of(self.codec.decode(raw.data), headers), headers.get(REPLY_HEADER))
        except DECODE_ERRORS as error:
            await self._give_up(raw, error)
            return None

    async def _settle(self, delivery: "Delivery", answer: bytes | None) -> None:
        crash.point("after_effects_before_ack")
        if answer is not None and delivery.reply_to:
            headers = {COMMAND_HEADER: str(delivery.envelope.id)}
            await self._client.publish(delivery.reply_to, answer, headers=headers)
        await delivery.raw.ack()

    async def _try_later(self, raw: Msg, error: Exception) -> None:
        attempt = raw.metadata.num_delivered
        metrics.FAILURES.labels(self.name, type(error).__name__).inc()
        if attempt > len(self._delays):
            await self._give_up(raw, error)
            return
        delay = self._delays[attempt - 1]
        log.warning("consumer.failed", consumer=self.name, attempt=attempt, retry_in=delay, error=repr(error))
        await raw.nak(delay=delay)

    async def _give_up(self, raw: Msg, error: Exception) -> None:
        metadata = raw.metadata
        subject, headers = origin_of(raw)
        failed = FailedMessage(
            self.name, subject, metadata.num_delivered, f"{metadata.stream}:{metadata.sequence.stream}"
        )
        await dead_letter(self._client, failed, headers, raw.data, error)
        await raw.term()


class Delivery(msgspec.Struct, frozen=True):
    """A message as it came, and what was read from it."""

    raw: Msg
    envelope: Envelope[Any]
    reply_to: str | None


def split_by_size(deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    """The deliveries in their order, as many at a time as one transaction takes."""
    start = size = 0
    for end, delivery in enumerate(deliveries):
        size += len(delivery.raw.data)
        if size > MAX_TRANSACTION_BYTES and end > start:
            yield deliveries[start:end]
            start, size = end, len(delivery.raw.data)
    if start < len(deliveries):
        yield deliveries[start:]


class FailedMessage(msgspec.Struct, frozen=True):
    """Which consumer gave up which message, after how many tries. `place` tells this death from a later one."""

    consumer: str
    subject: str
    attempts: int
    failure_id: str


async def dead_letter(
    client: Client, failed: FailedMessage, headers: Mapping[str, str], body: bytes, error: Exception
) -> None:
    """Store a dead letter: the message as it was, and why it died. See `libs.runtime.messaging.dead_letters`."""
    original = headers.get("Nats-Msg-Id", "")
    dead = {name: value for name, value in headers.items() if not name.lower().startswith("nats-")}
    dead |= {
        "Nats-Msg-Id": f"{failed.consumer}:{failed.failure_id}",
        ORIGINAL_ID: original,
        CONSUMER: failed.consumer,
        SUBJECT: failed.subject,
        ERROR: _one_line(error),
        ATTEMPTS: str(failed.attempts),
    }
    js = client.jetstream(timeout=DEAD_TIMEOUT)
    await js.publish(f"dead.{failed.consumer}", body, headers=dead, timeout=DEAD_TIMEOUT)
    metrics.DEAD.labels(failed.consumer).inc()
    log.error("consumer.dead_lettered", consumer=failed.consumer, attempts=failed.attempts, error=repr(error))


def origin_of(raw: Msg) -> tuple[str, Mapping[str, str]]:
    """The subject and headers with which a message first came, also if it is a dead letter that was sent back."""
    headers = raw.headers or {}
    if is_redelivery(raw):
        return headers[SUBJECT], headers | {"Nats-Msg-Id": headers[ORIGINAL_ID]}
    return raw.subject, headers


def stream_sequence(raw: Msg) -> int:
    """The message's sequence in its stream: one token of its reply subject, for which nats-py would read all."""
    tokens = raw.reply.split(".")
    return int(tokens[SEQUENCE_TOKEN if len(tokens) == TOKENS_WITHOUT_DOMAIN else SEQUENCE_TOKEN_AFTER_DOMAIN])


def is_redelivery(raw: Msg) -> bool:
    return raw.subject.endswith(f".{REDELIVER}")


def _one_line(error: Exception) -> str:
    """Why it died, fit for a NATS header: printable ASCII on one line."""
    text = f"{type(error).__name__}: {error}"
    return "".join(c if " " <= c <= "~" else " " for c in text)[:500]
