"""Responses of `/v1/send` become SMTP replies."""

import msgspec
import pytest

from services.gateway.smtp.replies import is_final, reply_to


def problem(code: str, message: str, field: str | None = None) -> bytes:
    errors = [{"field": field, "message": "Invalid email", "code": "x"}] if field else []
    return msgspec.json.encode({"success": False, "error": {"code": code, "message": message, "errors": errors}})


def test_success_names_the_mails() -> None:
    body = msgspec.json.encode({"emails": [{"email": "01a"}, {"email": "01b"}]})
    assert reply_to(200, body) == "250 2.0.0 queued as 01a, 01b"


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (401, problem("INVALID_API_KEY", "Invalid key"), "535 5.7.8 Invalid key"),
        (403, problem("DOMAIN_NOT_VERIFIED", "Not verified"), "550 5.7.1 Not verified"),
        (413, problem("PAYLOAD_TOO_LARGE", "Too large"), "552 5.3.4 Too large"),
        (422, problem("VALIDATION_ERROR", "No", "to.0.email"), "550 5.1.3 to.0.email: Invalid email"),
        (422, problem("VALIDATION_ERROR", "No", "headers"), "554 5.6.0 headers: Invalid email"),
        (429, problem("RATE_LIMIT_EXCEEDED", "Too many requests"), "451 4.7.1 Too many requests"),
        (503, problem("SERVICE_UNAVAILABLE", "Not now"), "451 4.3.0 Not now"),
        (500, b"<html>", "451 4.3.0 try again later"),
        (202, b"{}", "451 4.3.0 try again later"),
        (409, problem("IDEMPOTENCY_KEY_IN_PROGRESS", "In progress"), "451 4.3.0 In progress"),
        (422, problem("X", "two\r\nlines \u2026"), "554 5.6.0 two  lines  "),
    ],
)
def test_an_error_gives_the_reason_and_whether_to_try_again(status: int, body: bytes, reply: str) -> None:
    assert reply_to(status, body) == reply


@pytest.mark.parametrize(
    ("status", "body", "final"),
    [
        (200, b"{}", True),
        (202, b"{}", False),
        (409, problem("IDEMPOTENCY_KEY_IN_PROGRESS", "x"), False),
        (503, b"", True),
    ],
)
def test_a_pending_response_is_requested_again(status: int, body: bytes, final: bool) -> None:
    assert is_final(status, body) is final
