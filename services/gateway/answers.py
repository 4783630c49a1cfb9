"""How routes answer yes, and how the documentation tells of it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from litestar.openapi.datastructures import ResponseSpec
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

from libs.schemas.base import View
from services.gateway.problems import ErrorEnvelope

REFUSALS = {
    400: "The request is malformed",
    401: "No API key, or not one that may do this",
    403: "Not allowed",
    404: "There is no such thing in this project",
    422: "One or more fields are not valid; `errors` names them",
    429: "Too many requests; Retry-After says when to go on",
    500: "Our own fault; the operator finds the cause by the request id",
    503: "Not now; Retry-After says when to try again",
}
DONE = {200: "Done", 201: "Created"}
LATER = {202: "Accepted; Location says where the answer will be"}
CONFLICT = {409: "Not possible in the present state, or the Idempotency-Key was used before"}


class PendingCommand(View, frozen=True, kw_only=True):
    command: UUID


class Pending(PendingCommand, frozen=True, kw_only=True):
    """A change that is accepted for good, and not done yet."""

    success: bool
    data: PendingCommand


class Answer(ASGIResponse):
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
            "headers": [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *headers],
        }
        self._body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(self._start)
        await send(self._body)


def wrapped(result: bytes) -> Answer:
    """The result object as both generations of the API have it: under `data`, and its members beside `success`."""
    return Answer(b'{"success":true,"data":' + result + b"," + result[1:])


def shows(shape: Any) -> dict[int, ResponseSpec]:
    """What the documentation tells of a route that changes nothing: its answer, and its refusals."""
    return _spec(shape, {200: "Here it is"}) | _spec(ErrorEnvelope, REFUSALS)


def returns(shape: Any, *statuses: int) -> dict[int, ResponseSpec]:
    """What the documentation tells of a route that changes something and answers so."""
    done = _spec(shape, {status: DONE[status] for status in statuses})
    return done | _spec(Pending, LATER) | _spec(ErrorEnvelope, REFUSALS | CONFLICT)


def _spec(shape: Any, told: dict[int, str]) -> dict[int, ResponseSpec]:
    return {status: ResponseSpec(shape, generate_examples=False, description=text) for status, text in told.items()}
