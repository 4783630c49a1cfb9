"""One HTTP request and its answer, from the outermost layer to the route."""

from uuid import UUID

import msgspec
from litestar.types import Scope

from libs.runtime.clock import uuid7
from services.gateway.accounts.keys import Principal
from services.gateway.bus.bus import Bus


class BodySlots(msgspec.Struct):
    """How many large bodies may still be held in memory at once."""

    left: int


class RequestContext(msgspec.Struct, kw_only=True):
    """What the layers know of a request.

    `headers` are the request's, `answer_headers` what every answer to it will carry. `command_id` is the id that its
    command gets: the same whenever the same request comes again with its Idempotency-Key. `asked` says that a command
    has gone out, or may have in an earlier run of the request. `body` is the request's, once it was read; a `large` one
    takes its place in the `room` for such.
    """

    bus: Bus
    headers: dict[bytes, bytes]
    request_id: str
    response_headers: list[tuple[bytes, bytes]]
    traceparent: str | None = None
    principal: Principal | None = None
    command_id: UUID = msgspec.field(default_factory=uuid7)
    command_sent: bool = False
    body: bytes | None = None
    room: BodySlots = msgspec.field(default_factory=lambda: BodySlots(1))
    large: bool = False

    @property
    def keyed(self) -> bool:
        """Whether the request has an Idempotency-Key: what it does is then to be remembered, down to what it did not
        have to do."""
        return b"idempotency-key" in self.headers

    def take_body_slot(self) -> bool:
        """Whether there is room for this request's body, which is a large one; `give_room_back` ends it."""
        if not self.large and self.room.left > 0:
            self.large = True
            self.room.left -= 1
        return self.large

    def release_body_slot(self) -> None:
        if self.large:
            self.large = False
            self.room.left += 1


def context_of(scope: Scope) -> RequestContext:
    context: RequestContext = scope["state"]["context"]
    return context
