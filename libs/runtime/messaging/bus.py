"""The connection of a process to NATS: the FastStream broker, and queries to other services."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import structlog
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.codec import encode, tag_of
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.headers import use_fast_headers
from libs.runtime.messaging.reply_inbox import inbox_prefix
from libs.schemas.base import Accepted, Query, Refused

log = structlog.get_logger()

T = TypeVar("T")
QUERY_TIMEOUT = 5.0
QUERY_WAIT = 2.0
"""How long a query waits for its turn, before its timeout begins."""

UNAVAILABLE = "SERVICE_UNAVAILABLE"
"""The code of a refusal that has nothing to do with the query: it can be retried."""
PROJECT_BUSY = "PROJECT_BUSY"
"""The code of a refusal because the project has too much work at once: it can be retried, too."""

QueryHandler: TypeAlias = Callable[[Connection, UUID, Any], Awaitable[object]]
"""A handler of a project's queries, which reads the read models. It raises Rejected."""

_decode_reply = msgspec.json.Decoder(Accepted | Refused).decode


class Unavailable(Exception):
    """Raised when the other service did not reply in time."""


class RateLimited(Unavailable):
    """Raised when the project has too much work at once. It may try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def as_reply(self) -> Refused:
        return Refused(code=PROJECT_BUSY, message=str(self), details={"retryAfter": self.retry_after})


def make_broker(url: str, service: str, instance: str) -> NatsBroker:
    """Return a broker that does not decode messages. It receives replies in the inboxes of its service."""

    async def undecoded(message: NatsMessage) -> Any:
        return message.raw_message

    return NatsBroker(
        url,
        name=f"godwit-{service}-{instance}",
        inbox_prefix=inbox_prefix(service),
        apply_types=False,
        decoder=undecoded,
        logger=None,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        connect_timeout=5,
        ping_interval=10,
        graceful_timeout=10,
        error_cb=_on_error,
    )


def client_of(broker: NatsBroker) -> Client:
    """Return the nats-py client of a connected broker, for what FastStream does not offer."""
    client: Client = broker.config.broker_config.connection_state.connection
    use_fast_headers(client)
    return client


async def ask_raw(client: Client, project: UUID, query: Query) -> bytes:
    """Query another service and return its result as JSON. Raise Rejected, or Unavailable if it cannot answer now."""
    subject = f"qry.{query.service}.{tag_of(type(query))}"
    try:
        reply = await client.request(
            subject, encode(query), QUERY_WAIT + QUERY_TIMEOUT, headers={"godwit-project": str(project)}
        )
    except (NatsTimeout, NoRespondersError) as error:
        raise Unavailable(f"{query.service} does not answer") from error
    return result_of(reply.data)


async def ask(client: Client, project: UUID, query: Query, result: type[T]) -> T:
    """Query another service and decode its result."""
    return msgspec.json.decode(await ask_raw(client, project, query), type=result)


def result_of(body: bytes) -> bytes:
    """Return the JSON result of a reply. Raise Rejected if it is a refusal, Unavailable if it may be repeated."""
    reply = _decode_reply(body)
    if isinstance(reply, Refused) and reply.code == PROJECT_BUSY:
        raise RateLimited(reply.message, int(reply.details.get("retryAfter", 1)))
    if isinstance(reply, Refused) and reply.code == UNAVAILABLE:
        raise Unavailable(reply.message)
    if isinstance(reply, Refused):
        raise Rejected(reply.code, reply.message, errors=reply.errors, details=reply.details)
    return bytes(reply.result)


async def _on_error(error: Exception) -> None:
    log.warning("nats.error", error=repr(error))
