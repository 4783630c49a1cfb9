"""One HTTP request and its answer, from the outermost layer to the route."""

from uuid import UUID

import msgspec
from litestar.types import Scope

from libs.runtime.clock import uuid7
from services.gateway.accounts.keys import Principal
from services.gateway.bus.bus import Bus


class Room(msgspec.Struct):
    """How many large bodies may still be held in memory at once."""

    left: int


class Exchange(msgspec.Struct, kw_only=True):
    """What the layers know of a request.

    `headers` are the request's, `answer_headers` what every answer to it will carry. `command_id` is the id that its
    command gets: the same whenever the same request comes again with its Idempotency-Key. `asked` says that a command
    has gone out, or may have in an earlier run of the request. `body` is the request's, once it was read; a `large` one
    takes its place in the `room` for such.
    """

    bus: Bus
    headers: dict[bytes, bytes]
    request_id: str
    answer_headers: list[tuple[bytes, bytes]]
    traceparent: str | None = None
    principal: Principal | None = None
    command_id: UUID = msgspec.field(default_factory=uuid7)
    asked: bool = False
    body: bytes | None = None
    room: Room = msgspec.field(default_factory=lambda: Room(1))
    large: bool = False

    @property
    def keyed(self) -> bool:
        """Whether the request has an Idempotency-Key: what it does is then to be remembered, down to what it did not
        have to do."""
        return b"idempotency-key" in self.headers

    def take_room(self) -> bool:
        """Whether there is room for this request's body, which is a large one; `give_room_back` ends it."""
        if not self.large and self.room.left > 0:
            self.large = True
            self.room.left -= 1
        return self.large

    def give_room_back(self) -> None:
        if self.large:
            self.large = False
            self.room.left += 1


def exchange_of(scope: Scope) -> Exchange:
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
