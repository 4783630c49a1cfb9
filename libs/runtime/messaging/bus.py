"""The connection of a process to NATS: the FastStream broker, queries to other services, and replies to theirs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import msgspec
import structlog
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from libs.kernel.rejection import Rejected
from libs.runtime import metrics
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import Codec, encode, tag_of
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.messaging.headers import use_fast_headers
from libs.schemas.base import Accepted, Query, Refused

log = structlog.get_logger()

T = TypeVar("T")
QUERY_WORKERS = 8
QUERY_TIMEOUT = 5.0
UNAVAILABLE = "SERVICE_UNAVAILABLE"
"""The code of a refusal that has nothing to do with the query: it can be retried."""

QueryHandler: TypeAlias = Callable[[Connection, UUID, Any], Awaitable[object]]
"""A handler of a project's queries, which reads the read models. It raises Rejected."""

_decode_reply = msgspec.json.Decoder(Accepted | Refused).decode


class Unavailable(Exception):
    """Raised when the other service did not reply in time."""


def make_broker(url: str, name: str) -> NatsBroker:
    """Return a broker that does not decode messages."""

    async def undecoded(message: NatsMessage) -> Any:
        return message.raw_message

    return NatsBroker(
        url,
        name=name,
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


def answer_queries(
    broker: NatsBroker,
    service: str,
    handlers: Mapping[type[Query], QueryHandler],
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    """Answer `qry.<service>.>`. The replicas share the queries."""
    codec: Codec[Query] = Codec(list(handlers))

    @broker.subscriber(f"qry.{service}.>", queue=service, max_workers=QUERY_WORKERS)
    async def on_query(raw: Msg) -> bytes:
        try:
            query = codec.decode(raw.data)
            project = UUID((raw.headers or {})["godwit-project"])
            with metrics.QUERY_SECONDS.labels(tag_of(type(query))).time():
                async with asyncio.timeout(QUERY_TIMEOUT), pool.acquire() as conn:
                    return accepted_reply(await handlers[type(query)](conn, project, query))
        except Rejected as rejected:
            return encode(rejected.as_reply())
        except CONNECTION_ERRORS as error:
            log.warning("query.unavailable", service=service, error=repr(error))
            return encode(Refused(code=UNAVAILABLE, message=f"{service} cannot reach its database"))
        except Exception as error:
            log.error("query.failed", service=service, error=repr(error), exc_info=True)
            return encode(Refused(code="INTERNAL_SERVER_ERROR", message="The query failed"))


async def ask_raw(client: Client, project: UUID, query: Query) -> bytes:
    """Query another service and return its result as JSON. Raise Rejected, or Unavailable if it cannot answer now."""
    subject = f"qry.{query.service}.{tag_of(type(query))}"
    try:
        reply = await client.request(subject, encode(query), QUERY_TIMEOUT, headers={"godwit-project": str(project)})
    except (NatsTimeout, NoRespondersError) as error:
        raise Unavailable(f"{query.service} does not answer") from error
    return result_of(reply.data)


async def ask(client: Client, project: UUID, query: Query, result: type[T]) -> T:
    """Query another service and decode its result."""
    return msgspec.json.decode(await ask_raw(client, project, query), type=result)


def result_of(body: bytes) -> bytes:
    """Return the JSON result of a reply. Raise Rejected if it is a refusal, Unavailable if the query can be retried."""
    reply = _decode_reply(body)
    if isinstance(reply, Refused) and reply.code == UNAVAILABLE:
        raise Unavailable(reply.message)
    if isinstance(reply, Refused):
        raise Rejected(reply.code, reply.message, errors=reply.errors, details=reply.details)
    return bytes(reply.result)


async def _on_error(error: Exception) -> None:
    log.warning("nats.error", error=repr(error))
