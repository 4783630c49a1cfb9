"""Publishing the log, decrypted: events on the bus are always whole."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from nats.aio.client import Client

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.encryption import ERASED, Database, LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.publisher import Outgoing, Publisher
from libs.runtime.uuids import uuid_of
from libs.schemas.base import Event

MAX_RECENT_BYTES = 4 * 1024 * 1024
"""Of events that were just sealed, for the relay, which is soon to publish them."""


class DecryptingPublisher(Publisher):
    """Publishes rows of the log as whole events."""

    def __init__(self, client: Client, stream: str, database: Database) -> None:
        super().__init__(client, stream)
        self._database = database
        self._recent_bodies: dict[str, bytes] = {}
        self._recent_bytes = 0

    def remember(self, events: Iterable[Envelope[Event]]) -> None:
        """These were just committed here: what they tell need not be read out of the log again. The latest are kept,
        as far as there is room, and none once somebody is to be forgotten."""
        for event in events:
            if event.message.forgets:
                self._forget_all()
            elif event.message.personal and not event.message.personal_list:
                self._recent_bodies[str(event.id)] = body = encode(event.message)
                self._recent_bytes += len(body)
        while self._recent_bytes > MAX_RECENT_BYTES:
            self._recent_bytes -= len(self._recent_bodies.pop(next(iter(self._recent_bodies))))

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        known = {n: body for n, message in enumerate(messages) if (body := self._taken(message))}
        sealed = [n for n in range(len(messages)) if n not in known]
        bodies = await decrypt(self._database, [_logged(messages[n]) for n in sealed])
        known |= zip(sealed, bodies, strict=True)
        return await super().publish([replace(message, body=known[n]) for n, message in enumerate(messages)])

    def _taken(self, message: Outgoing) -> bytes | None:
        """What is known of the event, unless it tells of someone who was forgotten already."""
        body = self._recent_bodies.pop(message.headers["ce-id"], b"")
        self._recent_bytes -= len(body)
        return None if ERASED in message.body else body

    def _forget_all(self) -> None:
        self._recent_bodies.clear()
        self._recent_bytes = 0


def _logged(message: Outgoing) -> LoggedEvent:
    headers = message.headers
    return LoggedEvent(uuid_of(headers["ce-id"]), uuid_of(headers["godwit-project"]), message.body)
