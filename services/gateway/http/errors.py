"""The errors of the HTTP API and the envelope in which they are sent. Pure.

400 malformed request, 401 missing or unknown API key, 403 not allowed, 404 not found, 409 conflict with the current
state, 422 invalid fields, 429 rate limit, 503 temporarily unavailable. A fault of our own is a 500 that says no more
than the request id; the log has the rest.
"""

from typing import Literal

import msgspec

from libs.kernel.instants import iso
from libs.runtime.clock import now
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Data, FieldError

RETRY_SECONDS = 2

STATUS_OF = {
    "VALIDATION_ERROR": 422,
    "CAMPAIGN_NOT_READY": 422,
    "CAMPAIGN_NOT_TESTABLE": 422,
    "BAD_REQUEST": 400,
    "SEGMENT_NOT_STATIC": 400,
    "SEGMENT_NOT_TRACKED": 400,
    "FORBIDDEN": 403,
    "RATE_LIMIT_EXCEEDED": 429,
    "SERVICE_UNAVAILABLE": 503,
    "PAYLOAD_TOO_LARGE": 413,
    "INTERNAL_SERVER_ERROR": 500,
}
STATUS_OF_ENDING = {
    "_NOT_FOUND": 404,
    "_NOT_REGISTERED": 403,
    "_NOT_VERIFIED": 403,
    "_NOT_AVAILABLE": 403,
    "_UNSUBSCRIBED": 400,
}
"""The HTTP statuses of the services' error codes. A code in neither table is a conflict with the current state."""

SUGGESTIONS = {
    "MISSING_AUTH": 'Send your API key in the header "Authorization: Bearer YOUR_API_KEY".',
    "INVALID_API_KEY": "Check that the key is complete, of this installation, and of the right kind (sk_ or pk_).",
    "VALIDATION_ERROR": "Check the fields named in `errors`.",
    "RATE_LIMIT_EXCEEDED": "Wait as long as Retry-After says, then send requests more slowly.",
    "IDEMPOTENCY_KEY_IN_PROGRESS": "Wait for the seconds in Retry-After, then repeat the request with the same key.",
    "IDEMPOTENCY_KEY_REUSED": "Use a new Idempotency-Key for every new request.",
    "SERVICE_UNAVAILABLE": "Try again shortly. With an Idempotency-Key, a retry never does anything twice.",
    "INTERNAL_SERVER_ERROR": "Give the operator of this installation the request id.",
}
WRONG_TYPES = (
    "One or more fields have incorrect types. Check that strings are quoted, numbers are unquoted, "
    "and booleans are true/false."
)
INVALID_JSON = "Check that the body is valid JSON in UTF-8."


class ApiError(Exception):
    """Raised to answer a request with an error."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        errors: list[FieldError] | None = None,
        details: Data | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors or []
        self.details = details or {}
        self.headers = headers or {}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`code` is for programs, `message` for people. `errors` names the invalid fields."""

    code: str
    message: str
    status_code: int
    request_id: str
    errors: list[FieldError] = []
    details: Data = {}
    suggestion: str | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of every error response."""

    success: Literal[False] = False
    error: ErrorBody
    timestamp: str


def error_json(error: ApiError, request_id: str) -> bytes:
    """Return the envelope of the error as JSON."""
    body = ErrorBody(
        code=error.code,
        message=error.message,
        status_code=error.status,
        request_id=request_id,
        errors=error.errors,
        details=error.details,
        suggestion=_suggestion(error),
    )
    return encode(ErrorEnvelope(error=body, timestamp=iso(now())))


def status_of(code: str) -> int:
    """Return the HTTP status for the error code of a service."""
    if code in STATUS_OF:
        return STATUS_OF[code]
    return next((status for ending, status in STATUS_OF_ENDING.items() if code.endswith(ending)), 409)


def invalid(errors: list[FieldError], message: str = "Request validation failed") -> ApiError:
    return ApiError(422, "VALIDATION_ERROR", message, errors=errors)


def invalid_field(field: str, message: str, code: str) -> ApiError:
    return invalid([FieldError(field=field, message=message, code=code)])


def malformed() -> ApiError:
    return ApiError(400, "VALIDATION_ERROR", "Invalid JSON in request body")


def not_found(kind: str) -> ApiError:
    """Return the 404 for a kind of resource, such as `Contact`."""
    return ApiError(404, f"{kind.upper().replace(' ', '_')}_NOT_FOUND", f"{kind} not found")


def too_large(limit: int) -> ApiError:
    """Return the 413 for a request body of more than `limit` bytes."""
    return ApiError(413, "PAYLOAD_TOO_LARGE", f"Request body too large (limit: {_size(limit)})")


def unsupported_encoding() -> ApiError:
    return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding is not supported")


def body_timeout() -> ApiError:
    return ApiError(408, "REQUEST_TIMEOUT", "The request body did not arrive in time")


def connection_closed() -> ApiError:
    return ApiError(400, "BAD_REQUEST", "The connection was closed before the request was complete")


def unavailable(message: str = "The service is temporarily unavailable", retry_after: int = RETRY_SECONDS) -> ApiError:
    return ApiError(503, "SERVICE_UNAVAILABLE", message, headers={"Retry-After": str(retry_after)})


def _size(limit: int) -> str:
    return f"{limit // 1024**2} MiB" if limit % 1024**2 == 0 else f"{limit // 1024} KiB"


def _suggestion(error: ApiError) -> str | None:
    if any(each.code == "invalid_type" for each in error.errors):
        return WRONG_TYPES
    return INVALID_JSON if error.status == 400 and error.code == "VALIDATION_ERROR" else SUGGESTIONS.get(error.code)
