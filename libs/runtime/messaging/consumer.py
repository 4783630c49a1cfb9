"""The consumer of a stream: handle messages through group commit and acknowledge each.

There are three kinds of failure. A refusal is a reply. A message that cannot be decoded is dead-lettered at once.
Anything else is retried after growing delays (a nak ignores the consumer's own back-off) and dead-lettered after the
last; the handler's transaction was rolled back each time, so nothing is half done. A message with which processes may
have died is handled apart from others, see `libs.runtime.messaging.suspects`.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
import structlog
from cachetools import LRUCache
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from libs.kernel.personal_text import without_addresses
from libs.runtime import crash, metrics
from libs.runtime.eventstore.codec import Codec, encode
from libs.runtime.eventstore.envelope import Envelope, envelope_of, require_subject
from libs.runtime.messaging.bus import RateLimited
from libs.runtime.messaging.group_commit import (
    CONNECTION_ERRORS,
    MAX_TRANSACTION_BYTES,
    GroupCommit,
    Outcome,
    QueuedMessage,
)
from libs.runtime.messaging.slow_commands import SlowCommands
from libs.runtime.messaging.suspects import ProcessDied, Suspects, is_suspect
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
MAX_REMEMBERED = 10_000
CLAIM_SECONDS = 4.0
"""Half the time after which the bus delivers a message again."""
TOKENS_WITHOUT_DOMAIN = 9
"""Number of tokens in the reply subject of a JetStream message, if it has no domain and no account."""
DELIVERIES_TOKEN, SEQUENCE_TOKEN = 4, 5
DOMAIN_TOKENS = 2


class Consumer:
    """A consumer of a service. `name` is also its name as a durable, in the inbox and in dead letters."""

    def __init__(
        self,
        name: str,
        kinds: Sequence[type[Message]],
        commit: GroupCommit,
        client: Client,
        delays: Sequence[float],
        suspects: Suspects,
        slow_kinds: Collection[type[Message]] = (),
    ) -> None:
        self.name = name
        self.codec: Codec[Any] = Codec(kinds)
        self.commit = commit
        self._client = client
        self._delays = delays
        self._suspects = suspects
        self._slow_commands = SlowCommands(slow_kinds, commit)
        self._running: set[asyncio.Task[None]] = set()
        self._failures: LRUCache[UUID, int] = LRUCache(MAX_REMEMBERED)
        """How often a message failed here: these attempts did not end the process."""

    async def receive(self, raws: Sequence[Msg]) -> None:
        """Handle JetStream messages. Each is acknowledged after its commit, scheduled for a retry or dead-lettered.

        Slow commands and suspect messages are only started.
        """
        together: list[Delivery] = []
        for raw in raws:
            if self._is_suspect(raw):
                self._start(self._handle_suspect(raw), raw)
            elif (delivery := await self._read(raw)) and delivery.envelope in self._slow_commands:
                self._start(self._handle_apart(delivery), raw)
            elif delivery:
                together.append(delivery)
        await asyncio.gather(*(self._handle(part) for part in split_by_size(together)))

    async def drain(self, seconds: float) -> None:
        """Give the messages that were started so much time to finish. The others are redelivered later."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()

    def _is_suspect(self, raw: Msg) -> bool:
        deliveries = deliveries_of(raw)
        return is_suspect(deliveries) and is_suspect(deliveries - self._failures.get(_key_of(raw), 0))

    def _start(self, handling: Coroutine[Any, Any, None], raw: Msg) -> None:
        task = asyncio.create_task(self._while_claimed(handling, raw))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _while_claimed(self, handling: Coroutine[Any, Any, None], raw: Msg) -> None:
        claiming = asyncio.create_task(_keep_claimed(raw))
        try:
            await handling
        except (NatsError, OSError, TimeoutError) as broken:
            log.warning("consumer.not_acknowledged", consumer=self.name, error=repr(broken))
        finally:
            claiming.cancel()

    async def _handle_suspect(self, raw: Msg) -> None:
        """Read and handle the message with nothing else of its kind at hand."""
        key = _key_of(raw)
        try:
            async with self._suspects.alone(self.name, key):
                if delivery := await self._read(raw):
                    await self._handle_apart(delivery)
        except ProcessDied as died:
            await self._dead_letter(raw, died)
            await self._suspects.forget(self.name, key)
        except CONNECTION_ERRORS as error:
            await self._retry_later(raw, error)

    async def _handle_apart(self, delivery: "Delivery") -> None:
        envelope = delivery.envelope
        handle = self._slow_commands.handle if envelope in self._slow_commands else self.commit.handle_alone
        outcome = await handle(envelope)
        if isinstance(outcome, RateLimited) and delivery.reply_to:
            outcome = encode(outcome.as_reply())
        await self._settle(delivery, outcome)

    async def _handle(self, deliveries: Sequence["Delivery"]) -> None:
        items = [QueuedMessage(each.envelope, stream_sequence(each.raw), len(each.raw.data)) for each in deliveries]
        outcomes = await self.commit.submit_all(items)
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            await self._settle(delivery, outcome)

    async def _settle(self, delivery: "Delivery", outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            await self._retry_later(delivery.raw, outcome)
        else:
            await self._acknowledge(delivery, outcome)

    async def _read(self, raw: Msg) -> "Delivery | None":
        try:
            subject, headers = origin_of(raw)
            envelope = envelope_of(self.codec.decode(raw.data), headers)
            require_subject(envelope, subject)
            return Delivery(raw, envelope, headers.get(REPLY_HEADER))
        except DECODE_ERRORS as error:
            await self._dead_letter(raw, error)
            return None

    async def _acknowledge(self, delivery: "Delivery", reply: bytes | None) -> None:
        crash.point("after_effects_before_ack")
        if reply is not None and delivery.reply_to:
            headers = {COMMAND_HEADER: str(delivery.envelope.id)}
            await self._client.publish(delivery.reply_to, reply, headers=headers)
        await delivery.raw.ack()

    async def _retry_later(self, raw: Msg, error: Exception) -> None:
        attempt = raw.metadata.num_delivered
        metrics.FAILURES.labels(self.name, type(error).__name__).inc()
        if attempt > len(self._delays):
            await self._dead_letter(raw, error)
            return
        key = _key_of(raw)
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._delays[attempt - 1]
        log.warning("consumer.failed", consumer=self.name, attempt=attempt, retry_in=delay, error=repr(error))
        await raw.nak(delay=delay)

    async def _dead_letter(self, raw: Msg, error: Exception) -> None:
        metadata = raw.metadata
        subject, headers = origin_of(raw)
        failed = FailedMessage(
            self.name, subject, metadata.num_delivered, f"{metadata.stream}:{metadata.sequence.stream}"
        )
        await dead_letter(self._client, failed, headers, raw.data, error)
        await raw.term()


async def _keep_claimed(raw: Msg) -> None:
    """Keep the bus from delivering the message to another process, until cancelled."""
    while True:
        await asyncio.sleep(CLAIM_SECONDS)
        with suppress(NatsError):
            await raw.in_progress()


class Delivery(msgspec.Struct, frozen=True):
    """A message as it arrived, with its decoded envelope."""

    raw: Msg
    envelope: Envelope[Any]
    reply_to: str | None


def _key_of(raw: Msg) -> UUID:
    """Return what identifies the message in its stream, also if it cannot be read."""
    return uuid5(NAMESPACE_OID, f"{raw.subject} {stream_sequence(raw)}")


def split_by_size(deliveries: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    """Yield the deliveries in order, in groups that fit into one transaction."""
    start = size = 0
    for end, delivery in enumerate(deliveries):
        size += len(delivery.raw.data)
        if size > MAX_TRANSACTION_BYTES and end > start:
            yield deliveries[start:end]
            start, size = end, len(delivery.raw.data)
    if start < len(deliveries):
        yield deliveries[start:]


class FailedMessage(msgspec.Struct, frozen=True):
    """A message that a consumer dead-letters. `failure_id` distinguishes this failure from a later one."""

    consumer: str
    subject: str
    attempts: int
    failure_id: str


async def dead_letter(
    client: Client, failed: FailedMessage, headers: Mapping[str, str], body: bytes, error: Exception
) -> None:
    """Store a dead letter: the original message and the error. See `libs.runtime.messaging.dead_letters`."""
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
    log.error("consumer.dead_lettered", consumer=failed.consumer, attempts=failed.attempts, error=_one_line(error))


def origin_of(raw: Msg) -> tuple[str, Mapping[str, str]]:
    """Return the original subject and headers of a message, also if it is a redelivered dead letter."""
    headers = raw.headers or {}
    if is_redelivery(raw):
        return headers[SUBJECT], headers | {"Nats-Msg-Id": headers[ORIGINAL_ID]}
    return raw.subject, headers


def stream_sequence(raw: Msg) -> int:
    """Return the message's sequence in its stream."""
    return _number_in_reply(raw, SEQUENCE_TOKEN)


def deliveries_of(raw: Msg) -> int:
    """Return how often the message was delivered, this time included."""
    return _number_in_reply(raw, DELIVERIES_TOKEN)


def _number_in_reply(raw: Msg, token: int) -> int:
    """Return one token of the reply subject: nats-py would parse all."""
    tokens = raw.reply.split(".")
    return int(tokens[token if len(tokens) == TOKENS_WITHOUT_DOMAIN else token + DOMAIN_TOKENS])


def is_redelivery(raw: Msg) -> bool:
    return raw.subject.endswith(f".{REDELIVER}")


def _one_line(error: Exception) -> str:
    """Return the error as printable ASCII on one line without addresses, for a NATS header and the log."""
    text = without_addresses(f"{type(error).__name__}: {error}"[:4000])
    return "".join(c if " " <= c <= "~" else " " for c in text)[:500]
