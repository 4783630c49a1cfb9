"""The responses of a route as the API's description lists them."""

from typing import Any
from uuid import UUID

from litestar.openapi.datastructures import ResponseSpec

from libs.schemas.base import View
from services.gateway.http.errors import ErrorEnvelope

ERRORS = {
    400: "The request is malformed",
    401: "The API key is missing, unknown or of the wrong kind",
    403: "Not allowed",
    404: "The project has no such resource",
    422: "One or more fields are invalid; `errors` names them",
    429: "Too many requests; Retry-After says when to continue",
    500: "Internal error; the operator finds the cause by the request id",
    503: "Temporarily unavailable; Retry-After says when to try again",
}
SUCCESS = {200: "Done", 201: "Created", 204: "Done; the response has no body"}
PENDING = {202: "Accepted; Location gives the result later"}
CONFLICT = {409: "Not possible in the current state, or the Idempotency-Key was used before"}


class PendingCommand(View, frozen=True, kw_only=True):
    command: UUID


class Pending(PendingCommand, frozen=True, kw_only=True):
    """A change that is accepted for good but not done yet."""

    success: bool
    data: PendingCommand


def query_responses(schema: Any) -> dict[int, ResponseSpec]:
    """Return the responses of a route that changes nothing."""
    return _specs(schema, {200: "OK"}) | error_responses()


def command_responses(schema: Any, *statuses: int) -> dict[int, ResponseSpec]:
    """Return the responses of a route that changes something and has one of `statuses` when it is done."""
    done = _specs(schema, {status: SUCCESS[status] for status in statuses})
    return done | _specs(Pending, PENDING) | error_responses(CONFLICT)


def job_responses(schema: Any) -> dict[int, ResponseSpec]:
    """Return the responses of a route that starts a job and returns it."""
    return _specs(schema, {202: "Accepted"}) | error_responses(CONFLICT)


def error_responses(more: dict[int, str] | None = None) -> dict[int, ResponseSpec]:
    return _specs(ErrorEnvelope, ERRORS | (more or {}))


def _specs(schema: Any, descriptions: dict[int, str]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(schema, generate_examples=False, description=text) for status, text in descriptions.items()
    }
