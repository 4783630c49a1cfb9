"""What the layers of the application know about one request."""

from uuid import UUID

import msgspec
from litestar.types import Scope

from libs.runtime.clock import uuid7
from services.gateway.accounts.keys import Principal
from services.gateway.bus.bus import Bus
from services.gateway.http.limits import Slots


class RequestContext(msgspec.Struct, kw_only=True):
    """The context of a request, from the outermost layer to the route.

    - `headers` are the request's, `response_headers` are added to whatever response it gets;
    - `command_id` is the id of its command: the same when the request is repeated with its Idempotency-Key;
    - `command_sent` says that a command was sent, or may have been in an earlier run of the request;
    - `body` is the request's body once it was read. A large one holds one of the `body_slots`.
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
    body_slots: Slots = msgspec.field(default_factory=lambda: Slots(1))
    holds_body_slot: bool = False

    @property
    def has_idempotency_key(self) -> bool:
        """Whether a repeat of the request must give the same response."""
        return b"idempotency-key" in self.headers

    def take_body_slot(self) -> bool:
        """Take a slot for a large body unless the request holds one. Return whether it holds one now."""
        if not self.holds_body_slot:
            self.holds_body_slot = self.body_slots.take(self._owner)
        return self.holds_body_slot

    def release_body_slot(self) -> None:
        if self.holds_body_slot:
            self.holds_body_slot = False
            self.body_slots.release(self._owner)

    @property
    def _owner(self) -> UUID | None:
        return self.principal.project if self.principal else None


def context_of(scope: Scope) -> RequestContext:
    context: RequestContext = scope["state"]["context"]
    return context
