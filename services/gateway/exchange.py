"""One HTTP request and its answer, from the outermost layer to the route."""

from uuid import UUID

import msgspec
from litestar.types import Scope

from libs.runtime.clock import uuid7
from services.gateway.bus import Bus
from services.gateway.keys import Principal


class Exchange(msgspec.Struct, kw_only=True):
    """What the layers know of a request.

    `headers` are the request's, `answer_headers` what every answer to it will carry. `command_id` is the id that its
    command gets: the same whenever the same request comes again with its Idempotency-Key. `asked` says that a command
    has gone out. `body` is the request's, once it was read.
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


def exchange_of(scope: Scope) -> Exchange:
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
