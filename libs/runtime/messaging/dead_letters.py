"""Dead letters: list, show, retry and drop the messages that could not be handled.

A retried dead letter goes only to the consumer that failed, under its original id, so the inbox still ensures that it
takes effect once.
"""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from libs.runtime.clock import uuid7
from libs.runtime.messaging.consumer import (
    ATTEMPTS,
    CONSUMER,
    ERROR,
    ORIGINAL_ID,
    REDELIVER,
    SUBJECT,
)

STREAM = "DEAD"
TIMEOUT = 5.0


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that its consumer could not handle. `number` is its sequence in the DEAD stream and identifies it."""

    number: int
    consumer: str
    subject: str
    message_id: str
    error: str
    attempts: int
    died_at: datetime | None
    headers: dict[str, str]
    body: bytes


class NoSuchDeadLetter(Exception):
    """Raised when there is no dead letter with this number."""


class DeadLetters:
    """The DEAD stream."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._js = client.jetstream(timeout=TIMEOUT)

    async def all(self) -> AsyncIterator[DeadLetter]:
        """Yield every dead letter, oldest first."""
        state = (await self._js.stream_info(STREAM)).state
        number = state.first_seq
        while number <= state.last_seq:
            try:
                raw = await self._js.get_msg(STREAM, number, next=True, subject="dead.>")
            except NotFoundError:
                return
            yield _dead_letter(raw)
            number = (raw.seq or number) + 1

    async def get(self, number: int) -> DeadLetter:
        try:
            return _dead_letter(await self._js.get_msg(STREAM, number))
        except NotFoundError:
            raise NoSuchDeadLetter(f"there is no dead letter {number}") from None

    async def retry(self, number: int) -> DeadLetter:
        """Redeliver the dead letter to its consumer and delete it from the stream."""
        dead_letter = await self.get(number)
        service, _, _ = dead_letter.consumer.rpartition("-")
        headers = dead_letter.headers | {"Nats-Msg-Id": str(uuid7())}
        await self._js.publish(f"cmd.{service}.{REDELIVER}", dead_letter.body, headers=headers, timeout=TIMEOUT)
        await self._js.delete_msg(STREAM, number)
        return dead_letter

    async def drop(self, number: int) -> DeadLetter:
        """Delete the dead letter."""
        dead_letter = await self.get(number)
        await self._js.delete_msg(STREAM, number)
        return dead_letter


def _dead_letter(raw: RawStreamMsg) -> DeadLetter:
    headers = dict(raw.headers or {})
    return DeadLetter(
        number=raw.seq or 0,
        consumer=headers.get(CONSUMER, ""),
        subject=headers.get(SUBJECT, ""),
        message_id=headers.get(ORIGINAL_ID, ""),
        error=headers.get(ERROR, ""),
        attempts=int(headers.get(ATTEMPTS, 0)),
        died_at=raw.time,
        headers=headers,
        body=raw.data or b"",
    )
