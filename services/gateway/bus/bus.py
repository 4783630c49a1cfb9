"""Sends commands and queries to the services and waits for their replies, on one inbox of this process.

A command is published on COMMANDS with a subject to reply to. JetStream drops a message whose id it has seen recently.
But whoever repeats a command wants its reply, so a repeat is published once more as a redelivery: the service's inbox
recognises the command and replies as it did the first time.

JetStream's acknowledgement arrives on the same inbox. Nobody waits for it as such, because the reply follows right
after it and says more. It matters when there is no reply: then it tells an accepted command from a lost one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope, command_headers, command_subject
from libs.runtime.messaging.bus import Unavailable, ask_raw, result_of
from libs.runtime.messaging.consumer import (
    CONSUMER,
    ORIGINAL_ID,
    REDELIVER,
    REPLY_HEADER,
    SUBJECT,
)
from libs.runtime.messaging.project_slots import ProjectSlots
from libs.runtime.messaging.publisher import Outgoing
from libs.schemas.base import Query
from services.gateway.bus import pending_commands
from services.gateway.bus.unchanged_contacts import UnchangedContacts

ACK_SECONDS = 5.0
REPLY_SECONDS = 10.0
MAX_COMMANDS = 256
"""Commands of one project that a process sends at a time. More wait here, so that those of other projects need not wait
behind them."""
MAX_WAITING, MAX_WAIT = 1024, 5.0
ACK = ".ack"
MESSAGE_ID = "Nats-Msg-Id"


class CommandPending(Exception):
    """The command was accepted and will be done, but its reply did not arrive in time."""

    def __init__(self, command_id: UUID) -> None:
        super().__init__(str(command_id))
        self.command_id = command_id


class Ack(msgspec.Struct):
    """JetStream's acknowledgement of a published message."""

    error: dict[str, Any] | None = None
    duplicate: bool = False


_decode_ack = msgspec.json.Decoder(Ack).decode


class AwaitedReply:
    """The reply to a command, which arrives at `reply_to`. `accepted` says that JetStream has stored the command."""

    __slots__ = ("accepted", "command", "reply", "reply_to")

    def __init__(self, command: Outgoing, reply_to: str) -> None:
        self.command = command
        self.reply_to = reply_to
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.accepted = False

    async def within(self, seconds: float) -> bool:
        """Wait for the reply, and return whether it has arrived."""
        if not self.reply.done():
            await asyncio.wait((self.reply,), timeout=seconds)
        return self.reply.done()


class Bus:
    """Sends commands through JetStream and queries directly. Call `start` first.

    Results are the JSON that the service wrote. Every method raises Rejected if the service rejects the message, and
    Unavailable if it cannot be reached and the caller may try again.
    """

    def __init__(self, client: Client, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._client = client
        self._pool = pool
        self._inbox = client.new_inbox()
        self._numbers = count()
        self._awaited: dict[str, AwaitedReply] = {}
        self._slots = ProjectSlots("commands", per_project=MAX_COMMANDS, max_waiting=MAX_WAITING, max_wait=MAX_WAIT)
        self.unchanged_contacts = UnchangedContacts(self.query)

    async def start(self) -> None:
        await self._client.subscribe(f"{self._inbox}.>", cb=self._receive)

    async def execute(self, envelope: Envelope[Any]) -> bytes:
        """Send a command and return its result after its commit. Raises CommandPending after 10 seconds."""
        command = Outgoing(
            command_subject(envelope.project, envelope.message), command_headers(envelope), encode(envelope.message)
        )
        async with self._slots.hold(envelope.project):
            reply = await self._reply_to(command)
        if reply is None:
            await pending_commands.store(self._pool, envelope.project, envelope.id, command)
            raise CommandPending(envelope.id)
        return result_of(reply)

    async def _reply_to(self, command: Outgoing) -> bytes | None:
        with self._awaiting(command) as awaited:
            await self._publish(command.subject, command.headers, awaited)
            return await _reply(awaited)

    async def await_pending(self, project: UUID, command_id: UUID) -> bytes:
        """Return the result of a command that raised CommandPending.

        If the command was lost it is done now. It is never done twice.
        """
        command = await pending_commands.find(self._pool, project, command_id)
        if command is None:
            raise Rejected("COMMAND_NOT_FOUND", "Command not found")
        with self._awaiting(command) as awaited:
            await self._redeliver(awaited)
            reply = await _reply(awaited)
        if reply is None:
            raise CommandPending(command_id)
        return result_of(reply)

    async def query(self, project: UUID, query: Query) -> bytes:
        return await ask_raw(self._client, project, query)

    @contextmanager
    def _awaiting(self, command: Outgoing) -> Iterator[AwaitedReply]:
        reply_to = f"{self._inbox}.{next(self._numbers)}"
        awaited = self._awaited[reply_to] = AwaitedReply(command, reply_to)
        try:
            yield awaited
        finally:
            del self._awaited[reply_to]

    async def _redeliver(self, awaited: AwaitedReply) -> None:
        command = awaited.command
        _, service, _ = command.subject.split(".", 2)
        redelivery = {
            MESSAGE_ID: str(uuid7()),
            ORIGINAL_ID: command.headers[MESSAGE_ID],
            SUBJECT: command.subject,
            CONSUMER: f"{service}-commands",
        }
        await self._publish(f"cmd.{service}.{REDELIVER}", command.headers | redelivery, awaited)

    async def _publish(self, subject: str, headers: dict[str, str], awaited: AwaitedReply) -> None:
        reply_to = awaited.reply_to
        try:
            await self._client.publish(
                subject, awaited.command.body, reply=reply_to + ACK, headers=headers | {REPLY_HEADER: reply_to}
            )
        except MaxPayloadError:
            raise
        except NatsError as failure:
            raise Unavailable("the bus cannot be reached") from failure

    async def _receive(self, message: Msg) -> None:
        awaited = self._awaited.get(message.subject.removesuffix(ACK))
        if awaited is None or awaited.reply.done():
            return
        if message.subject.endswith(ACK):
            await self._acknowledge(awaited, message)
        else:
            awaited.reply.set_result(message.data)

    async def _acknowledge(self, awaited: AwaitedReply, message: Msg) -> None:
        ack = _decode_ack(message.data) if message.data else None  # without data: the stream does not exist
        if ack is None or ack.error:
            awaited.reply.set_exception(Unavailable("the bus rejected the command"))
        elif ack.duplicate:
            await self._redeliver(awaited)
        else:
            awaited.accepted = True


async def _reply(awaited: AwaitedReply) -> bytes | None:
    if await awaited.within(ACK_SECONDS):
        return awaited.reply.result()
    if not awaited.accepted:
        raise Unavailable("the bus did not acknowledge the command")
    return awaited.reply.result() if await awaited.within(REPLY_SECONDS - ACK_SECONDS) else None
