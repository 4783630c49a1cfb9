"""A publisher of the log that decrypts personal data: events on the bus are always complete."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace
from nats.aio.client import Client

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.data_keys import Database
from libs.runtime.eventstore.encryption import ERASED, LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.publisher import Outgoing, Publisher
from libs.runtime.uuids import uuid_of
from libs.schemas.base import Event

MAX_RECENT_BYTES = 4 * 1024 * 1024
"""Size of the bodies that were just encrypted and are kept for the relay, which is about to publish them."""


class DecryptingPublisher(Publisher):
    """A publisher of rows of the log, as complete events."""

    def __init__(self, client: Client, stream: str, database: Database) -> None:
        super().__init__(client, stream)
        self._database = database
        self._recent_bodies: dict[str, bytes] = {}
        self._recent_bytes = 0

    def remember(self, events: Iterable[Envelope[Event]]) -> None:
        """Keep the bodies of events that this process just committed, so that they need not be decrypted again.

        The latest are kept up to a total size, and none once a data subject is erased.
        """
        for event in events:
            if event.message.forgets:
                self._clear()
            elif event.message.personal and not event.message.personal_list:
                self._recent_bodies[str(event.id)] = body = encode(event.message)
                self._recent_bytes += len(body)
        while self._recent_bytes > MAX_RECENT_BYTES:
            self._recent_bytes -= len(self._recent_bodies.pop(next(iter(self._recent_bodies))))

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        bodies = {n: body for n, message in enumerate(messages) if (body := self._pop_recent(message))}
        encrypted = [n for n in range(len(messages)) if n not in bodies]
        decrypted = await decrypt(self._database, [_logged(messages[n]) for n in encrypted])
        bodies |= zip(encrypted, decrypted, strict=True)
        return await super().publish([replace(message, body=bodies[n]) for n, message in enumerate(messages)])

    def _pop_recent(self, message: Outgoing) -> bytes | None:
        """Return the recent body of the event, unless its data subject was already erased."""
        body = self._recent_bodies.pop(message.headers["ce-id"], b"")
        self._recent_bytes -= len(body)
        return None if ERASED in message.body else body

    def _clear(self) -> None:
        self._recent_bodies.clear()
        self._recent_bytes = 0


def _logged(message: Outgoing) -> LoggedEvent:
    headers = message.headers
    return LoggedEvent(uuid_of(headers["ce-id"]), uuid_of(headers["godwit-project"]), message.body)
