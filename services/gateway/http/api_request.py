"""A request as the routes see it."""

import asyncio
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from litestar import Request

from libs.runtime.clock import now, uuid5
from libs.runtime.eventstore.envelope import Envelope, Meta
from libs.schemas.base import Command, Query
from services.gateway.accounts.keys import Principal
from services.gateway.http import json_body
from services.gateway.http.errors import (
    ApiError,
    body_timeout,
    connection_closed,
    too_large,
    unavailable,
    unsupported_encoding,
)
from services.gateway.http.request_context import RequestContext, context_of

T = TypeVar("T")

BODY_SECONDS = 30.0
LARGE_BODY = 1024 * 1024


class ApiRequest(Request[Any, Any, Any]):
    """A request, its caller, and the commands and queries that it sends."""

    @property
    def context(self) -> RequestContext:
        return context_of(self.scope)

    @property
    def principal(self) -> Principal:
        principal = self.context.principal
        assert principal is not None, "a route without authentication asked for the caller"
        return principal

    @property
    def project(self) -> UUID:
        return self.principal.project

    async def execute(self, command: Command, part: str = "") -> bytes:
        """Send the command for the caller's project and return the JSON of its result.

        A request that sends several commands names each `part`. Raises Rejected, Unavailable or CommandPending.
        """
        context, caller = self.context, self.principal
        context.command_sent = True
        envelope = Envelope(
            id=uuid5(context.command_id, part) if part else context.command_id,
            project=caller.project,
            message=command,
            at=now(),
            meta=Meta(actor=caller.actor, traceparent=context.traceparent),
        )
        return await context.bus.execute(envelope)

    async def query(self, query: Query) -> bytes:
        """Return the JSON of the query's result for the caller's project. Raises Rejected or Unavailable."""
        return await self.context.bus.query(self.project, query)

    async def query_as(self, query: Query, result_type: type[T]) -> T:
        """Return the query's result as an object."""
        return msgspec.json.decode(await self.query(query), type=result_type)

    async def body(self) -> bytes:
        """Return the whole body. Raises ApiError if it exceeds the limit of the route or arrives too slowly."""
        context = self.context
        if context.body is None:
            context.body = await self._read(self.route_handler.resolve_request_max_body_size() or 0)
        return context.body

    async def _read(self, limit: int) -> bytes:
        body, more = await self.chunk()
        if more:
            body = await self._read_on(body, limit)
        if len(body) > limit:
            raise too_large(limit)
        return body

    async def _read_on(self, body: bytes, limit: int) -> bytes:
        chunks, size, more = [body], len(body), True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more and size <= limit:
                    chunk, more = await self.chunk()
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > LARGE_BODY and not self.context.take_body_slot():
                        raise unavailable("Too many large requests at once")
        except TimeoutError:
            raise body_timeout() from None
        return b"".join(chunks)

    async def chunk(self) -> tuple[bytes, bool]:
        """Return the next chunk of the body and whether there are more. Raises ApiError if the client has gone."""
        event: Any = await self.receive()
        if event["type"] == "http.disconnect":
            raise connection_closed()
        return event.get("body", b""), event.get("more_body", False)

    async def json(self) -> Any:
        """Return the body as the type that the route declares. Raises ApiError."""
        self._require_plain_json()
        wanted = self.route_handler.parsed_data_field
        assert wanted is not None, "the route declares no body"
        return json_body.decode(wanted.annotation, await self.body())

    def _require_plain_json(self) -> None:
        media_type = self.context.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type != b"application/json":
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "The Content-Type must be application/json")
        self.require_no_content_encoding()

    def require_no_content_encoding(self) -> None:
        if self.context.headers.get(b"content-encoding", b"identity") != b"identity":
            raise unsupported_encoding()
