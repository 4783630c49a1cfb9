"""Support for tests of services: run a service in this process, send it messages, and read its log."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from nats.aio.client import Client

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode, stream_of, tag_of
from libs.runtime.eventstore.encryption import LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import (
    Envelope,
    Meta,
    command_headers,
    command_subject,
    event_headers,
    event_subject,
)
from libs.runtime.messaging.bus import result_of
from libs.runtime.messaging.consumer import REPLY_HEADER
from libs.runtime.process.lifecycle import serve
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.base import Command, Event

T = TypeVar("T")
TIMEOUT = 60.0


@asynccontextmanager
async def running(service: Service, config: Settings) -> AsyncIterator[Runtime]:
    """Run a service as its process would, and stop and drain it at the end."""
    started: asyncio.Future[Runtime] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(service, config, started))
    task.add_done_callback(lambda done: started.done() or started.cancel())
    try:
        runtime = await started
    except asyncio.CancelledError:
        await task
        raise
    try:
        yield runtime
    finally:
        runtime.stopping.set()
        await task


async def send(client: Client, project: UUID, command: Command, command_id: UUID | None = None, **headers: str) -> None:
    """Publish a command as the gateway does."""
    envelope = Envelope(id=command_id or uuid7(), project=project, message=command, at=now(), meta=Meta(actor="test"))
    sent = command_headers(envelope) | headers
    await client.jetstream().publish(command_subject(project, command), encode(command), headers=sent, timeout=5)


async def tell(client: Client, project: UUID, command: Command, answer: type[T], command_id: UUID | None = None) -> T:
    """Send a command as the gateway does and return the result. Raise Rejected."""
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox, max_msgs=1)
    await send(client, project, command, command_id, **{REPLY_HEADER: inbox})
    reply = await replies.next_msg(timeout=TIMEOUT)
    return msgspec.json.decode(result_of(reply.data), type=answer)


async def announce(
    client: Client, project: UUID, event: Event, *, version: int = 1, event_id: UUID | None = None
) -> UUID:
    """Publish an event as its owner's relay does, and return its id."""
    event_id = event_id or uuid7()
    headers = event_headers(
        event_id=event_id,
        project=project,
        service=event.service,
        tag=tag_of(type(event)),
        stream=stream_of(event),
        version=version,
        at=now(),
        meta=Meta(actor="test"),
    )
    await client.jetstream().publish(event_subject(project, event), encode(event), headers=headers, timeout=5)
    return event_id


async def facts(runtime: Runtime, project: UUID) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a project in the service's log, in order: (type, data)."""
    rows = await runtime.pool.fetch("select id, type, data from events where project = $1 order by position", project)
    written = [LoggedEvent(row["id"], project, row["data"].encode()) for row in rows]
    bodies = await decrypt(runtime.pool, written)
    return [(row["type"], msgspec.json.decode(body)) for row, body in zip(rows, bodies, strict=True)]


async def eventually(check: Callable[[], Awaitable[T | None]], within: float = TIMEOUT, every: float = 0.05) -> T:
    """Call `check` until its result is true, and return that. Fail with the last result after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := await check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s; last answer: {answer!r}")
        await asyncio.sleep(every)
    return answer
