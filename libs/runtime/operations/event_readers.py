"""Readers of past events for a rebuild: a service's own from its log, other services' from the stream EVENTS.

Both read up to the present, page by page, and resume from there when they are used again.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from libs.runtime.eventstore.codec import Codec, tag_of
from libs.runtime.eventstore.encryption import LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import Envelope, envelope_of, meta_of, require_subject
from libs.runtime.messaging.consumer import DECODE_ERRORS
from libs.runtime.messaging.pull_client import PullClient
from libs.runtime.operations.replay import pages
from libs.schemas.base import Event

PAGE = 2000
"""Events that are folded at a time. They share the cost of a statement, and are all in memory."""

FETCH = 1000
FETCH_SECONDS = 2.0
MAX_FOLD_SECONDS = 60.0
"""Longest time to fold a page. The bus deletes a consumer that does not fetch for longer."""

# One statement, so that events that the relay publishes at this moment are in the result exactly once.
REST_OF_LOG = """
select event.*
from (
    select sequence, position + greatest(0, $1 + 1 - sequence) as first, position + events as next from published
    where sequence >= (select coalesce(max(sequence), 0) from published where sequence <= $1 + 1)
    union all
    select null, position, position + events from outbox
) as piece
cross join lateral (
    select position, id, project, stream, version, type, data, meta, recorded_at from events
    where position >= piece.first and position < piece.next
    order by position
) as event
order by piece.sequence nulls last, event.position
"""

Page = list[Envelope[Any]]


class OwnEvents:
    """A reader of a service's own events of some kinds, in order. `conn` searches the service's schema."""

    def __init__(self, conn: "asyncpg.Connection[asyncpg.Record]", kinds: Iterable[type[Event]]) -> None:
        self._conn = conn
        self._codec: Codec[Any] = Codec(kinds)
        self._reached = 0

    async def pages(self) -> AsyncIterator[Page]:
        """Yield the published events."""
        async for rows in pages(self._conn, self._reached, PAGE):
            yield await self._decoded(rows)
            self._reached = rows[-1]["sequence"]

    async def rest(self) -> Page:
        """Return all events that follow, published or not: for the last read, while nobody appends."""
        return await self._decoded(await self._conn.fetch(REST_OF_LOG, self._reached))

    async def _decoded(self, rows: Sequence[asyncpg.Record]) -> Page:
        rows = [row for row in rows if row["type"] in self._codec.kinds]
        bodies = await decrypt(
            self._conn, [LoggedEvent(row["id"], row["project"], row["data"].encode()) for row in rows]
        )
        return [self._envelope(row, body) for row, body in zip(rows, bodies, strict=True)]

    def _envelope(self, row: asyncpg.Record, body: bytes) -> Envelope[Any]:
        return Envelope(
            id=row["id"],
            project=row["project"],
            message=self._codec.decode(body),
            at=row["recorded_at"],
            stream=row["stream"],
            version=row["version"],
            meta=meta_of(row["meta"]),
        )


class ForeignEvents:
    """A reader of other services' events of some kinds, as far back as EVENTS reaches."""

    def __init__(self, client: Client, kinds: Iterable[type[Event]]) -> None:
        self._client = client
        self._js = client.jetstream(timeout=10)
        kinds = list(kinds)
        self._codec: Codec[Any] = Codec(kinds)
        self._subjects = [f"evt.{kind.service}.*.{tag_of(kind)}" for kind in kinds]
        self._reached = 0

    async def pages(self) -> AsyncIterator[Page]:
        """Yield the events between the end of the previous read and the current end of the stream."""
        if not self._subjects:
            return
        last = (await self._js.stream_info("EVENTS")).state.last_seq
        if last <= self._reached:
            return
        reader = await self._js.add_consumer("EVENTS", self._from_here())
        pull_client = await PullClient(self._client, "EVENTS", reader.name).start()
        try:
            received, pending = 0, reader.num_pending
            while pending and (messages := await self._fetch(pull_client, reader.name, received)):
                received += len(messages)
                newest = messages[-1].metadata
                if newest.sequence.stream > last:
                    messages = [each for each in messages if each.metadata.sequence.stream <= last]
                yield [envelope for message in messages if (envelope := self._read(message))]
                pending = newest.num_pending if newest.sequence.stream < last else 0
        finally:
            await pull_client.stop()
        self._reached = last

    def _from_here(self) -> ConsumerConfig:
        return ConsumerConfig(
            filter_subjects=self._subjects,
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._reached + 1,
            inactive_threshold=MAX_FOLD_SECONDS,
        )

    async def _fetch(self, pull_client: PullClient, reader: str, received: int) -> Sequence[Msg]:
        """Return the next messages after `received` ones, or none if the others have expired.

        Raise EventsLost if one is missing: the bus sends each only once.
        """
        messages = await pull_client.fetch(FETCH, FETCH_SECONDS)
        if messages:
            sent = messages[-1].metadata.sequence.consumer
        else:
            info = await self._js.consumer_info("EVENTS", reader)
            sent = (info.delivered.consumer_seq if info.delivered else 0) + (info.num_pending or 0)
        if sent != received + len(messages):
            raise EventsLost("events from the bus were lost or arrived too late: run the rebuild again")
        return messages

    def _read(self, message: Msg) -> Envelope[Any] | None:
        """Return the event, or None if it cannot be decoded: then the service has not handled it either."""
        try:
            envelope = envelope_of(self._codec.decode(message.data), message.headers or {})
            require_subject(envelope, message.subject)
            return envelope
        except DECODE_ERRORS:
            return None


class EventsLost(ConnectionError):
    """Raised when not all events arrived."""
