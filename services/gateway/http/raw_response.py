"""How routes answer yes, and how the documentation tells of it."""

from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

from litestar.openapi.datastructures import ResponseSpec
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

from libs.schemas.base import View
from services.gateway.http.errors import ErrorEnvelope

ERROR_RESPONSES = {
    400: "The request is malformed",
    401: "No API key, or not one that may do this",
    403: "Not allowed",
    404: "There is no such thing in this project",
    422: "One or more fields are not valid; `errors` names them",
    429: "Too many requests; Retry-After says when to go on",
    500: "Our own fault; the operator finds the cause by the request id",
    503: "Not now; Retry-After says when to try again",
}
DONE = {200: "Done", 201: "Created", 204: "Done; there is nothing to say"}
LATER = {202: "Accepted; Location says where the answer will be"}
CONFLICT = {409: "Not possible in the present state, or the Idempotency-Key was used before"}


class PendingCommand(View, frozen=True, kw_only=True):
    command: UUID


class Pending(PendingCommand, frozen=True, kw_only=True):
    """A change that is accepted for good, and not done yet."""

    success: bool
    data: PendingCommand


class RawResponse(ASGIResponse):
    """A finished answer: bytes and headers as they go out. Litestar's own response costs ten times as much to make."""

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        kind: bytes = b"application/json",
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": [*_content_headers(status, kind, body), *headers],
        }
        self._body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(self._start)
        await send(self._body)


class Streamed(ASGIResponse):
    """An answer that is sent while it is made, piece by piece, and is never whole in memory."""

    def __init__(self, pieces: AsyncIterator[bytes], kind: bytes = b"application/json") -> None:
        self._pieces = pieces
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The first piece is made before anything is sent, so that a refusal can still be answered as one."""
        piece = await anext(self._pieces, b"")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", self._kind)]})
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _content_headers(status: int, kind: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    """An answer without content says nothing of it (RFC 9110, 8.6)."""
    return [] if status == 204 else [(b"content-type", kind), (b"content-length", b"%d" % len(body))]


def data_response(result: bytes, status: int = 200) -> RawResponse:
    """The result object as both generations of the API have it: under `data`, and its members beside `success`."""
    return RawResponse(b'{"success":true,"data":' + result + b"," + result[1:], status)


def query_responses(shape: Any) -> dict[int, ResponseSpec]:
    """What the documentation tells of a route that changes nothing: its answer, and its refusals."""
    return _spec(shape, {200: "Here it is"}) | _spec(ErrorEnvelope, ERROR_RESPONSES)


def command_responses(shape: Any, *statuses: int) -> dict[int, ResponseSpec]:
    """What the documentation tells of a route that changes something and answers so."""
    done = _spec(shape, {status: DONE[status] for status in statuses})
    return done | _spec(Pending, LATER) | _spec(ErrorEnvelope, ERROR_RESPONSES | CONFLICT)


def job_responses(shape: Any) -> dict[int, ResponseSpec]:
    """What the documentation tells of a route that has something done later, and answers with the job."""
    return _spec(shape, {202: "Accepted"}) | _spec(ErrorEnvelope, ERROR_RESPONSES | CONFLICT)


def _spec(shape: Any, told: dict[int, str]) -> dict[int, ResponseSpec]:
    return {status: ResponseSpec(shape, generate_examples=False, description=text) for status, text in told.items()}
