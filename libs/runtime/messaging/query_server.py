"""The replies to queries, as fast as each project's share of the connections allows."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import structlog
from faststream.nats import NatsBroker
from nats.aio.msg import Msg

from libs.kernel.rejection import Rejected
from libs.runtime import metrics
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import Codec, encode, tag_of
from libs.runtime.messaging.bus import QUERY_TIMEOUT, QUERY_WAIT, UNAVAILABLE, QueryHandler, RateLimited
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.messaging.project_connection import see_only
from libs.runtime.messaging.project_slots import ProjectSlots
from libs.schemas.base import Query, Refused

log = structlog.get_logger()

MAX_QUERIES = 1024
"""Queries in a process, waiting ones included. More wait on the bus, in the order in which they came."""
MAX_WAITING = 256
"""Queries of one project that wait."""


def answer_queries(
    broker: NatsBroker,
    service: str,
    handlers: Mapping[type[Query], QueryHandler],
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    """Answer `qry.<service>.>`, each query on a connection of `pool`. The replicas share the queries."""
    server = QueryServer(service, handlers, pool)

    @broker.subscriber(f"qry.{service}.>", queue=service, max_workers=MAX_QUERIES)
    async def on_query(raw: Msg) -> bytes:
        return await server.reply(raw)


class QueryServer:
    """Replies to queries. One connection always remains for other projects than the one that asks the most."""

    def __init__(
        self, service: str, handlers: Mapping[type[Query], QueryHandler], pool: "asyncpg.Pool[asyncpg.Record]"
    ) -> None:
        self._service = service
        self._handlers = handlers
        self._pool = pool
        self._codec: Codec[Query] = Codec(list(handlers))
        connections = pool.get_max_size()
        self._slots = ProjectSlots(
            "queries",
            total=connections,
            per_project=max(1, connections - 1),
            per_busy_project=1,
            max_waiting=MAX_WAITING,
            max_wait=QUERY_WAIT,
        )

    async def reply(self, raw: Msg) -> bytes:
        """Return the reply to the query, whatever happens."""
        try:
            return await self._answer(UUID((raw.headers or {})["godwit-project"]), self._codec.decode(raw.data))
        except Rejected as no:
            return encode(no.as_reply())
        except RateLimited as too_many:
            return encode(too_many.as_reply())
        except (asyncpg.QueryCanceledError, TimeoutError):
            return self._unavailable(f"the query took longer than {QUERY_TIMEOUT:g} seconds")
        except CONNECTION_ERRORS as error:
            return self._unavailable(repr(error))
        except Exception as error:
            log.error("query.failed", service=self._service, error=repr(error), exc_info=True)
            return encode(Refused(code="INTERNAL_SERVER_ERROR", message="The query failed"))

    async def _answer(self, project: UUID, query: Query) -> bytes:
        async with self._slots.hold(project):
            with metrics.QUERY_SECONDS.labels(tag_of(type(query))).time():
                async with asyncio.timeout(QUERY_TIMEOUT), self._pool.acquire() as conn:
                    await see_only(conn, project)
                    return accepted_reply(await self._handlers[type(query)](conn, project, query))

    def _unavailable(self, reason: str) -> bytes:
        log.warning("query.unavailable", service=self._service, error=reason)
        return encode(Refused(code=UNAVAILABLE, message=f"{self._service} cannot answer now: {reason}"))
