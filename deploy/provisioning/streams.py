"""Every stream and consumer of the bus. They are created and updated here and nowhere else.

What a consumer receives is derived from what its service declares to handle, so the two cannot differ.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    PersistMode,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from libs.runtime.eventstore.codec import tag_of
from libs.runtime.process.service import Service

log = structlog.get_logger()

DAY = 24 * 60 * 60.0
ACK_WAIT = 8.0
"""Seconds until unacknowledged messages are redelivered: what a killed process was handling reaches another one within
the gateway's ten seconds. A handler that takes longer runs twice, which the inbox makes harmless."""

EVENTS_DUPLICATE_WINDOW = 30.0
"""Seconds for which the server remembers the ids of events, all of them in memory. Within that time, the successor of a
relay that died has published everything its predecessor had; later repeats are left to the consumers' inboxes."""

MAX_ACK_PENDING = 4096
NO_LIMIT = -1
"""For deliveries: what the server stops delivering leaves no trace. The consumer's own retries end in a dead letter."""


@dataclass(frozen=True)
class Stream:
    """The settings of a JetStream stream, and its purpose."""

    name: str
    subjects: tuple[str, ...]
    purpose: str
    retention: RetentionPolicy = RetentionPolicy.LIMITS
    max_age: float = 0.0
    duplicate_window: float = 120.0
    allow_atomic: bool = True
    persist_mode: PersistMode | None = None


STREAMS = (
    Stream(
        "COMMANDS",
        ("cmd.>",),
        "Commands. Acknowledged before they reach the disk: what a command promises is its answer, from Postgres.",
        retention=RetentionPolicy.WORK_QUEUE,
        duplicate_window=600.0,
        allow_atomic=False,
        persist_mode=PersistMode.ASYNC,
    ),
    Stream(
        "EVENTS",
        ("evt.>",),
        "Events, for services and internal subscribers.",
        max_age=30 * DAY,
        duplicate_window=EVENTS_DUPLICATE_WINDOW,
    ),
    Stream(
        "INGEST",
        ("ingest.>",),
        "Signature-checked notifications from SES, until feedback has stored them.",
        retention=RetentionPolicy.WORK_QUEUE,
    ),
    Stream(
        "DEAD", ("dead.>",), "Messages that could not be handled, with the error; see `godwit dead`.", max_age=90 * DAY
    ),
)


async def declare(client: Client, services: Iterable[Service]) -> None:
    """Create or update all streams and consumers. Safe to run again, and by several processes at once."""
    js = client.jetstream(timeout=10)
    for stream in STREAMS:
        await _declare_stream(js, stream)
    for service in services:
        for stream_name, config in consumers_of(service):
            await js.add_consumer(stream_name, config)
    log.info("streams.declared", streams=len(STREAMS))


def consumers_of(service: Service) -> list[tuple[str, ConsumerConfig]]:
    """Return the durable consumers of a service, each with the name of its stream."""
    consumers = [("COMMANDS", _durable(f"{service.name}-commands", [f"cmd.{service.name}.>"]))]
    if service.foreign_events:
        subjects = [f"evt.{kind.service}.*.{tag_of(kind)}" for kind in service.foreign_events]
        consumers.append(("EVENTS", _durable(f"{service.name}-events", subjects)))
    if service.ingest:
        consumers.append(("INGEST", _durable(f"{service.name}-ingest", ["ingest.>"])))
    return consumers


def _durable(name: str, subjects: list[str]) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        filter_subjects=subjects,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_ack_pending=MAX_ACK_PENDING,
        max_deliver=NO_LIMIT,
    )


async def _declare_stream(js: JetStreamContext, stream: Stream) -> None:
    config = _config(stream)
    try:
        await js.stream_info(stream.name)
    except NotFoundError:
        await js.add_stream(config)
    else:
        await js.update_stream(config)


def _config(stream: Stream) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        description=stream.purpose,
        retention=stream.retention,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=stream.max_age,
        duplicate_window=stream.duplicate_window,
        allow_direct=True,
        allow_atomic=stream.allow_atomic,
        persist_mode=stream.persist_mode,
    )
