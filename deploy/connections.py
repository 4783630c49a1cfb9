"""Connect operator commands to a deployment: the one that the environment names, else the stack on this machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from deploy.commands import Failed
from deploy.embedded.endpoints import of_running_stack
from deploy.provisioning.permissions import OPERATOR
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import (
    Envelope,
    Meta,
    command_headers,
    command_subject,
)
from libs.runtime.messaging.bus import Unavailable, result_of
from libs.runtime.messaging.consumer import REPLY_HEADER
from libs.runtime.messaging.headers import use_fast_headers
from libs.runtime.messaging.reply_inbox import inbox_prefix
from libs.schemas.base import Command

T = TypeVar("T")
TIMEOUT = 10


class Addresses(msgspec.Struct, frozen=True):
    """Where a deployment's servers are. `admin_url` connects as the owner of the database."""

    admin_url: str
    nats_url: str


def addresses() -> Addresses:
    """Return GODWIT_ADMIN_DATABASE_URL and NATS_URL, or those of the running embedded stack.

    Raise Failed if there is neither.
    """
    stack = of_running_stack()
    admin_url = os.environ.get("GODWIT_ADMIN_DATABASE_URL") or (stack.admin_database_url if stack else None)
    nats_url = os.environ.get("NATS_URL") or (stack.nats_url if stack else None)
    if not admin_url or not nats_url:
        raise Failed("no deployment found: start `godwit up`, or set GODWIT_ADMIN_DATABASE_URL and NATS_URL")
    return Addresses(admin_url, nats_url)


async def connect(url: str) -> Client:
    """Connect to NATS. Raise ConnectionError with the reason at once instead of waiting for a server."""
    reasons: list[Exception] = []

    async def note(reason: Exception) -> None:
        reasons.append(reason)

    # Even without reconnecting, nats-py would try a server sixty times, two seconds apart. With 1 it tries twice.
    tries = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0}
    inbox = inbox_prefix(OPERATOR)
    try:
        client = await nats.connect(url, connect_timeout=TIMEOUT, error_cb=note, inbox_prefix=inbox, **tries)
    except (NatsError, TimeoutError) as none:
        raise ConnectionError(f"{without_login(url)}: {reasons[-1] if reasons else none!r}") from none
    use_fast_headers(client)
    return client


def without_login(url: str) -> str:
    """Return the URL without user and password, to connect as nobody or to show it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@asynccontextmanager
async def bus() -> AsyncIterator[Client]:
    """Yield a connection to NATS, made by `connect`."""
    client = await connect(addresses().nats_url)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def database() -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Yield a connection as the owner of the database."""
    conn = await asyncpg.connect(addresses().admin_url, timeout=TIMEOUT)
    try:
        yield conn
    finally:
        await conn.close(timeout=TIMEOUT)


async def send_command(client: Client, project: UUID, command: Command, answer: type[T]) -> T:
    """Send a command and return its reply. Raise Rejected if it is refused, Unavailable if no reply comes in time."""
    envelope = Envelope(id=uuid7(), project=project, message=command, at=now(), meta=Meta(actor="operator"))
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox, max_msgs=1)
    headers = command_headers(envelope) | {REPLY_HEADER: inbox}
    await client.jetstream().publish(
        command_subject(project, command), encode(command), headers=headers, timeout=TIMEOUT
    )
    try:
        reply = await replies.next_msg(timeout=TIMEOUT)
    except TimeoutError as silence:
        raise Unavailable(
            f"{command.service} does not answer; it will execute the command when it is running again"
        ) from silence
    return msgspec.json.decode(result_of(reply.data), type=answer)
