"""Turns the exceptions of a request into responses."""

from typing import Any

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from libs.kernel.field_errors import field_error
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.codec import encode
from libs.runtime.messaging.bus import RateLimited, Unavailable
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.schemas.base import FieldError
from services.gateway.bus.bus import CommandPending
from services.gateway.http.auth import rate_limited
from services.gateway.http.errors import (
    RETRY_SECONDS,
    ApiError,
    error_json,
    invalid,
    status_of,
    too_large,
    unavailable,
)
from services.gateway.http.request_context import context_of

log = structlog.get_logger()

JSON = "application/json"
MAX_BUS_MESSAGE = 1024 * 1024

CODE_OF_STATUS = {
    400: "BAD_REQUEST",
    403: "FORBIDDEN",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    api_error = api_error_of(error)
    body = error_json(api_error, context_of(request.scope).request_id)
    return Response(body, status_code=api_error.status, media_type=JSON, headers=api_error.headers)


def on_command_pending(_: Request[Any, Any, Any], error: CommandPending) -> Response[bytes]:
    """Return the 202 of a command that was accepted. Its `Location` gives the result later."""
    command = str(error.command_id)
    body = encode({"success": True, "data": {"command": command}, "command": command})
    headers = {"Location": f"/commands/{command}", "Retry-After": str(RETRY_SECONDS)}
    return Response(body, status_code=202, media_type=JSON, headers=headers)


def api_error_of(error: Exception) -> ApiError:
    """Return the API error for an exception. Unexpected exceptions are logged and become a 500."""
    match error:
        case ApiError():
            return error
        case Rejected(code=code):
            return ApiError(status_of(code), code, error.message, errors=error.errors, details=error.details)
        case NotFoundException():
            return ApiError(404, "RESOURCE_NOT_FOUND", "Unknown route")
        case MethodNotAllowedException():
            return _method_not_allowed(error)
        case ValidationException():
            return invalid(_parameter_errors(error.extra))
        case MaxPayloadError():
            return too_large(MAX_BUS_MESSAGE)
        case HTTPException(status_code=status) if status in CODE_OF_STATUS:
            return ApiError(status, CODE_OF_STATUS[status], error.detail)
        case RateLimited(retry_after=seconds):
            return rate_limited(seconds, str(error))
        case Unavailable() | NatsError() | asyncpg.PostgresConnectionError() | asyncpg.InterfaceError():
            return _unavailable(error)
        case _ if isinstance(error, CONNECTION_ERRORS):
            return _unavailable(error)
    log.error("request.failed", error=repr(error), exc_info=error)
    return ApiError(500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred")


def _unavailable(cause: Exception) -> ApiError:
    log.warning("request.unavailable", error=repr(cause))
    return unavailable()


def _method_not_allowed(error: HTTPException) -> ApiError:
    allowed = (error.headers or {}).get("allow", "")
    message = f"Method not allowed (allowed: {allowed})" if allowed else "Method not allowed"
    return ApiError(405, "METHOD_NOT_ALLOWED", message, headers={"Allow": allowed})


def _parameter_errors(extra: Any) -> list[FieldError]:
    """Return a field error for each finding of the framework in the path, the query and a missing body."""
    found = extra if isinstance(extra, list) else []
    return [_parameter_error(each.get("key", ""), each.get("message", "")) for each in found]


def _parameter_error(key: str, text: str) -> FieldError:
    if key == "data":
        return FieldError(field="", message="A JSON body is required", code="required")
    first, *others = key.rstrip("_").split("_")
    return field_error(first + "".join(other.capitalize() for other in others), text)
