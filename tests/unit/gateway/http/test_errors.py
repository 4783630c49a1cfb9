"""Exceptions become error responses."""

from typing import Any

import asyncpg
import msgspec
import pytest
from litestar.exceptions import (
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from nats.errors import ConnectionClosedError, MaxPayloadError

from libs.kernel.rejection import Rejected
from libs.runtime.messaging.bus import Unavailable
from libs.schemas.base import FieldError
from services.gateway.http.errors import (
    ApiError,
    error_json,
    invalid_field,
    malformed,
    status_of,
)
from services.gateway.http.exception_handlers import api_error_of


def envelope_of(error: ApiError) -> Any:
    return msgspec.json.decode(error_json(error, "request-1"))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("VALIDATION_ERROR", 422),
        ("BAD_REQUEST", 400),
        ("CONTACT_NOT_FOUND", 404),
        ("TEMPLATE_NOT_FOUND", 404),
        ("CONFLICT", 409),
        ("CAMPAIGN_NOT_SENDABLE", 409),
        ("CAMPAIGN_TRANSITION_IN_PROGRESS", 409),
        ("DOMAIN_NOT_VERIFIED", 403),
        ("INTERNAL_SERVER_ERROR", 500),
    ],
)
def test_the_code_of_an_error_determines_its_status(code: str, status: int) -> None:
    assert status_of(code) == status


def test_a_rejection_by_a_service_is_passed_on_completely() -> None:
    field = FieldError(field="email", message="Invalid email", code="invalid_string")
    error = api_error_of(Rejected("VALIDATION_ERROR", "Request validation failed", errors=[field], details={"a": 1}))
    envelope = envelope_of(error)
    assert envelope["success"] is False
    assert envelope["timestamp"].endswith("Z")
    assert envelope["error"] == {
        "code": "VALIDATION_ERROR",
        "message": "Request validation failed",
        "statusCode": 422,
        "requestId": "request-1",
        "errors": [{"field": "email", "message": "Invalid email", "code": "invalid_string"}],
        "details": {"a": 1},
        "suggestion": "Check the fields named in `errors`.",
    }


def test_empty_members_are_left_out_of_the_envelope() -> None:
    assert envelope_of(ApiError(404, "CONTACT_NOT_FOUND", "Contact not found"))["error"] == {
        "code": "CONTACT_NOT_FOUND",
        "message": "Contact not found",
        "statusCode": 404,
        "requestId": "request-1",
    }


def test_wrong_types_and_invalid_json_get_a_suggestion() -> None:
    assert (
        "incorrect types"
        in envelope_of(invalid_field("a", "Expected str, got int", "invalid_type"))["error"]["suggestion"]
    )
    assert "valid JSON" in envelope_of(malformed())["error"]["suggestion"]


def test_an_unexpected_error_is_not_disclosed() -> None:
    envelope = envelope_of(api_error_of(ZeroDivisionError("the secret is abracadabra")))
    assert envelope["error"]["statusCode"] == 500
    assert envelope["error"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "abracadabra" not in str(envelope)


def test_a_500_of_the_framework_discloses_nothing() -> None:
    assert api_error_of(InternalServerException("a detail")).message == "An unexpected error occurred"


@pytest.mark.parametrize(
    "outage",
    [
        Unavailable("contacts does not answer"),
        ConnectionClosedError(),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.InterfaceError("the pool is closing"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
)
def test_an_outage_is_a_503_with_retry_after(outage: Exception) -> None:
    error = api_error_of(outage)
    assert (error.status, error.code) == (503, "SERVICE_UNAVAILABLE")
    assert int(error.headers["Retry-After"]) >= 1


def test_unknown_routes_and_methods() -> None:
    assert (api_error_of(NotFoundException()).status, api_error_of(NotFoundException()).message) == (
        404,
        "Unknown route",
    )
    rejected = api_error_of(MethodNotAllowedException(headers={"allow": "GET, POST"}))
    assert (rejected.status, rejected.headers) == (405, {"Allow": "GET, POST"})


def test_parameters_are_named_as_in_the_url() -> None:
    found = [
        {"key": "page_size", "message": "Expected `int` >= 1"},
        {"key": "state_", "message": "Invalid enum value 'x'"},
        {"key": "data", "message": "'data'"},
    ]
    error = api_error_of(ValidationException(extra=found))
    assert error.status == 422
    assert [(error.field, error.code) for error in error.errors] == [
        ("pageSize", "too_small"),
        ("state", "invalid_enum_value"),
        ("", "required"),
    ]


def test_a_command_that_the_bus_cannot_carry_is_too_large() -> None:
    assert api_error_of(MaxPayloadError()).status == 413
