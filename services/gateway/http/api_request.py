"""An API request as the routes see it."""

import asyncio
from typing import Any
from uuid import UUID

from litestar import Request

from libs.runtime.clock import now, uuid5
from libs.runtime.eventstore.envelope import Envelope, Meta
from libs.schemas.base import Command, Query
from services.gateway.accounts.keys import Principal
from services.gateway.http import json_body
from services.gateway.http.errors import ApiError, too_large, too_many_large
from services.gateway.http.request_context import RequestContext, context_of

BODY_SECONDS = 30.0
LARGE_BODY = 1024 * 1024


class ApiRequest(Request[Any, Any, Any]):
    """A request, who makes it, and the way to have it done."""

    @property
    def context(self) -> RequestContext:
        return context_of(self.scope)

    @property
    def principal(self) -> Principal:
        principal = self.context.principal
        assert principal is not None, "a route that is behind no gate asked for the caller"
        return principal

    @property
    def project(self) -> UUID:
        return self.principal.project

    async def execute(self, command: Command, part: str = "") -> bytes:
        """Have the command done for the caller's project; answers the JSON of its result.

        A request that sends several commands names each `part`. Raises Rejected, Unavailable, Unanswered.
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
        """Ask the question for the caller's project; answers the JSON of its result. Raises Rejected, Unavailable."""
        return await self.context.bus.query(self.project, query)

    async def body(self) -> bytes:
        """The whole body. Raises Problem if it is larger than the route takes, or takes too long to arrive."""
        context = self.context
        if context.body is None:
            context.body = await self._read(self.route_handler.resolve_request_max_body_size() or 0)
        return context.body

    async def _read(self, limit: int) -> bytes:
        body, more = await self._chunk()
        if more:
            body = await self._read_on(body, limit)
        if len(body) > limit:
            raise too_large()
        return body

    async def _read_on(self, body: bytes, limit: int) -> bytes:
        chunks, size, more = [body], len(body), True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more and size <= limit:
                    chunk, more = await self._chunk()
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > LARGE_BODY and not self.context.take_body_slot():
                        raise too_many_large()
        except TimeoutError:
            raise ApiError(408, "REQUEST_TIMEOUT", "The request's body did not arrive in time") from None
        return b"".join(chunks)

    async def _chunk(self) -> tuple[bytes, bool]:
        """The next part of the body, and whether there are more."""
        event: Any = await self.receive()
        if event["type"] == "http.disconnect":
            raise ApiError(400, "BAD_REQUEST", "The connection ended before the request did")
        return event.get("body", b""), event.get("more_body", False)

    async def json(self) -> Any:
        """The body as the type that the route declares. Raises Problem."""
        self._require_plain_json()
        wanted = self.route_handler.parsed_data_field
        assert wanted is not None, "only routes with a body ask for it"
        return json_body.decode(wanted.annotation, await self.body())

    def _require_plain_json(self) -> None:
        headers = self.context.headers
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as JSON, with Content-Type: application/json")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as it is: no Content-Encoding is understood")
