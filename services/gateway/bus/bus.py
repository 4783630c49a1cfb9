"""Sending commands and awaiting their answers, on one inbox of this process.

A command is published on COMMANDS and carries a subject to answer on. JetStream drops a message whose id it has seen
lately; but whoever sends a command again wants its answer, so such a repeat goes out once more as a redelivery: the
service's inbox recognises the command and answers as it did the first time.

JetStream's acknowledgement comes to the same inbox. Nobody waits for it as such: the answer is worth more and comes
right after it. It counts when there is no answer, because then it is what tells accepted from lost.
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
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.bus import Unavailable, ask_raw, result_of
from libs.runtime.messaging.consumer import (
    CONSUMER,
    ORIGINAL_ID,
    REDELIVER,
    REPLY_HEADER,
    SUBJECT,
)
from libs.schemas.base import Query
from services.gateway.bus import pending_commands
from services.gateway.bus.order import Order
from services.gateway.bus.unchanged_contacts import UnchangedContacts

ACK_SECONDS = 5.0
ANSWER_SECONDS = 10.0
ACK = ".ack"


class CommandPending(Exception):
    """The command is accepted and will be done, but its answer did not come in time."""

    def __init__(self, command_id: UUID) -> None:
        super().__init__(str(command_id))
        self.command_id = command_id


class Ack(msgspec.Struct):
    """What JetStream says of a published message."""

    error: dict[str, Any] | None = None
    duplicate: bool = False


_decode_ack = msgspec.json.Decoder(Ack).decode


class AwaitedReply:
    """An answer that is on its way to `reply_to`. `accepted` says that the bus has taken the command."""

    __slots__ = ("accepted", "answer", "order", "reply_to")

    def __init__(self, order: Order, reply_to: str) -> None:
        self.order = order
        self.reply_to = reply_to
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.accepted = False

    async def within(self, seconds: float) -> bool:
        """Whether the answer has come by then."""
        if not self.answer.done():
            await asyncio.wait((self.answer,), timeout=seconds)
        return self.answer.done()


class Bus:
    """Asks services: commands through JetStream, queries directly. Call `start` first.

    Answers are the JSON of the result, as the service wrote it. All of it raises Rejected for no, and Unavailable where
    asking failed and the caller may try again.
    """

    def __init__(self, client: Client, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._client = client
        self._pool = pool
        self._inbox = client.new_inbox()
        self._numbers = count()
        self._awaited: dict[str, AwaitedReply] = {}
        self.unchanged_contacts = UnchangedContacts(self.query)

    async def start(self) -> None:
        await self._client.subscribe(f"{self._inbox}.>", cb=self._receive)

    async def execute(self, envelope: Envelope[Any]) -> bytes:
        """Have a command done, and answer after its commit. Raises Unanswered if that takes longer than 10 seconds."""
        order = Order.of(envelope)
        with self._awaiting(order) as awaited:
            await self._publish(order.subject, order.headers, awaited)
            reply = await _reply(awaited)
        if reply is None:
            await pending_commands.keep(self._pool, order)
            raise CommandPending(order.id)
        return result_of(reply)

    async def await_pending(self, project: UUID, command_id: UUID) -> bytes:
        """The answer to a command that raised Unanswered. It is done now if it got lost, and never done twice."""
        order = await pending_commands.find(self._pool, project, command_id)
        if order is None:
            raise Rejected("COMMAND_NOT_FOUND", "Command not found")
        with self._awaiting(order) as awaited:
            await self._redeliver(awaited)
            reply = await _reply(awaited)
        if reply is None:
            raise CommandPending(command_id)
        return result_of(reply)

    async def query(self, project: UUID, query: Query) -> bytes:
        return await ask_raw(self._client, project, query)

    @contextmanager
    def _awaiting(self, order: Order) -> Iterator[AwaitedReply]:
        reply_to = f"{self._inbox}.{next(self._numbers)}"
        awaited = self._awaited[reply_to] = AwaitedReply(order, reply_to)
        try:
            yield awaited
        finally:
            del self._awaited[reply_to]

    async def _redeliver(self, awaited: AwaitedReply) -> None:
        order = awaited.order
        _, service, _ = order.subject.split(".", 2)
        again = {
            "Nats-Msg-Id": str(uuid7()),
            ORIGINAL_ID: str(order.id),
            SUBJECT: order.subject,
            CONSUMER: f"{service}-commands",
        }
        await self._publish(f"cmd.{service}.{REDELIVER}", order.headers | again, awaited)

    async def _publish(self, subject: str, headers: dict[str, str], awaited: AwaitedReply) -> None:
        reply_to = awaited.reply_to
        try:
            await self._client.publish(
                subject, awaited.order.body, reply=reply_to + ACK, headers=headers | {REPLY_HEADER: reply_to}
            )
        except MaxPayloadError:
            raise
        except NatsError as failure:
            raise Unavailable("the bus cannot be reached") from failure

    async def _receive(self, message: Msg) -> None:
        awaited = self._awaited.get(message.subject.removesuffix(ACK))
        if awaited is None or awaited.answer.done():
            return
        if message.subject.endswith(ACK):
            await self._acknowledge(awaited, message)
        else:
            awaited.answer.set_result(message.data)

    async def _acknowledge(self, awaited: AwaitedReply, message: Msg) -> None:
        ack = _decode_ack(message.data) if message.data else None  # without data: there is no such stream
        if ack is None or ack.error:
            awaited.answer.set_exception(Unavailable("the bus refused the command"))
        elif ack.duplicate:
            await self._redeliver(awaited)
        else:
            awaited.accepted = True


async def _reply(awaited: AwaitedReply) -> bytes | None:
    if await awaited.within(ACK_SECONDS):
        return awaited.answer.result()
    if not awaited.accepted:
        raise Unavailable("the bus did not take the command")
    return awaited.answer.result() if await awaited.within(ANSWER_SECONDS - ACK_SECONDS) else None
