"""Everything that an answer can say instead of yes, in the one envelope that the API has for it.

400 malformed, 401 who are you, 403 you may not, 404 not there, 409 not in this state, 422 not valid, 429 not so fast,
503 not now. What is our own fault is 500, and says no more than the request id under which the log explains it.
"""

from typing import Literal

import asyncpg
import msgspec
import structlog
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.codec import encode
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.schemas.base import Data, FieldError
from services.gateway.http.parameter_errors import parameter_errors

log = structlog.get_logger()

JSON = "application/json"
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
"""Statuses of the codes that services refuse with. What is in neither table is a conflict with the present state."""

CODE_OF_STATUS = {
    400: "BAD_REQUEST",
    403: "FORBIDDEN",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}

SUGGESTIONS = {
    "MISSING_AUTH": 'Send your API key in the header "Authorization: Bearer YOUR_API_KEY".',
    "INVALID_API_KEY": "Check that the key is complete, of this installation, and of the right kind (sk_ or pk_).",
    "VALIDATION_ERROR": "Check the fields named in `errors`.",
    "RATE_LIMIT_EXCEEDED": "Wait as long as Retry-After says, then go on more slowly.",
    "IDEMPOTENCY_KEY_REUSED": "Use a new Idempotency-Key for every new request.",
    "SERVICE_UNAVAILABLE": "Try again shortly; with an Idempotency-Key nothing can happen twice.",
    "INTERNAL_SERVER_ERROR": "Tell the operator of this installation the request id.",
}
WRONG_TYPES = (
    "One or more fields have incorrect types. Check that strings are quoted, numbers are unquoted, "
    "and booleans are true/false."
)

NO_JSON = "Check that the body is valid JSON in UTF-8."


class ApiError(Exception):
    """An answer other than yes."""

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
    """`code` is for programs, `message` for people; `errors` name the fields that are wrong."""

    code: str
    message: str
    status_code: int
    request_id: str
    errors: list[FieldError] = []
    details: Data = {}
    suggestion: str | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How every answer says that it is not a yes."""

    success: Literal[False] = False
    error: ErrorBody
    timestamp: str


def error_json(problem: ApiError, request_id: str) -> bytes:
    """The envelope that tells of the problem, as JSON."""
    body = ErrorBody(
        code=problem.code,
        message=problem.message,
        status_code=problem.status,
        request_id=request_id,
        errors=problem.errors,
        details=problem.details,
        suggestion=_suggestion(problem),
    )
    return encode(ErrorEnvelope(error=body, timestamp=iso(now())))


def api_error_of(error: Exception) -> ApiError:
    """What to tell of whatever went wrong."""
    match error:
        case ApiError():
            return error
        case Rejected(code=code):
            return ApiError(status_of(code), code, error.message, errors=error.errors, details=error.details)
        case NotFoundException():
            return ApiError(404, "RESOURCE_NOT_FOUND", "Unknown route")
        case MethodNotAllowedException():
            return ApiError(405, "METHOD_NOT_ALLOWED", "This route does not take that method", headers=_allow(error))
        case ValidationException():
            return invalid(parameter_errors(error.extra))
        case MaxPayloadError():
            return too_large()
        case HTTPException(status_code=status) if status in CODE_OF_STATUS:
            return _of_status(status, error.detail)
        case Unavailable() | NatsError() | asyncpg.PostgresConnectionError() | asyncpg.InterfaceError():
            return unavailable(error)
        case _ if isinstance(error, CONNECTION_ERRORS):
            return unavailable(error)
    log.error("request.failed", error=repr(error), exc_info=error)
    return ApiError(500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred")


def status_of(code: str) -> int:
    """The HTTP status of a service's refusal."""
    if code in STATUS_OF:
        return STATUS_OF[code]
    return next((status for ending, status in STATUS_OF_ENDING.items() if code.endswith(ending)), 409)


def invalid(errors: list[FieldError], message: str = "Request validation failed") -> ApiError:
    return ApiError(422, "VALIDATION_ERROR", message, errors=errors)


def invalid_field(field: str, message: str, code: str) -> ApiError:
    return invalid([FieldError(field=field, message=message, code=code)])


def malformed() -> ApiError:
    return ApiError(400, "VALIDATION_ERROR", "Invalid JSON in request body")


def not_found(what: str) -> ApiError:
    """`what` is the kind of thing, as people call it: Contact."""
    return ApiError(404, f"{what.upper().replace(' ', '_')}_NOT_FOUND", f"{what} not found")


def too_large() -> ApiError:
    return ApiError(413, "PAYLOAD_TOO_LARGE", "The request is larger than this route takes")


def too_many_large() -> ApiError:
    message = "Too many large requests at once"
    return ApiError(503, "SERVICE_UNAVAILABLE", message, headers={"Retry-After": str(RETRY_SECONDS)})


def unavailable(cause: Exception) -> ApiError:
    log.warning("request.unavailable", error=repr(cause))
    message = "The service is not available at the moment"
    return ApiError(503, "SERVICE_UNAVAILABLE", message, headers={"Retry-After": str(RETRY_SECONDS)})


def _of_status(status: int, message: str) -> ApiError:
    return ApiError(status, CODE_OF_STATUS[status], message)


def _allow(error: HTTPException) -> dict[str, str]:
    return {"Allow": (error.headers or {}).get("allow", "")}


def _suggestion(problem: ApiError) -> str | None:
    if any(error.code == "invalid_type" for error in problem.errors):
        return WRONG_TYPES
    return NO_JSON if problem.status == 400 and problem.code == "VALIDATION_ERROR" else SUGGESTIONS.get(problem.code)
