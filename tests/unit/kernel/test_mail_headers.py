"""The mail headers that a caller may set."""

import pytest

from libs.kernel.mail_headers import allowed_headers, header_errors


def codes(headers: dict[str, object]) -> list[tuple[str, str]]:
    return [(name, code) for name, _, code in header_errors(headers)]


def test_x_headers_and_a_few_others_are_allowed() -> None:
    given: dict[str, object] = {
        "X-Order": "42",
        "In-Reply-To": "<a@b>",
        "References": "<a@b> <c@d>",
        "X-Empty": "",
    }
    assert codes(given | {"X-Note": "grün"}) == []
    assert allowed_headers({"x-mailer": "a", "Bcc": "x@example.com", "X-Long": "v" * 999}) == {"x-mailer": "a"}


RESERVED = (
    *("From", "Sender", "Return-Path", "To", "Cc", "Bcc", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("Content-Transfer-Encoding", "DKIM-Signature", "Received", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("List-Id", "Reply-To", "Subject", "X-SES-CONFIGURATION-SET", "X-SES-MESSAGE-TAGS", "X-Godwit-Email"),
    *("Feedback-ID", "X-Plunk-Recipient-Override", "Resent-To", "Anything"),
)


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_headers_are_rejected(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        assert codes({spelling: "x"}) == [(spelling, "not_allowed")]


@pytest.mark.parametrize("name", ["", "X Y", "X-A:", "X-A\r\nBcc", "X-A\n", "1-X", "X-" + "a" * 70, "X_A", "X-Ä"])
def test_an_invalid_header_name_is_rejected(name: str) -> None:
    assert codes({name: "x"}) == [(name, "invalid_string")]


@pytest.mark.parametrize(
    "value", ["a\r\nBcc: x@example.com", "a\nb", "a\rb", "a\x00b", "a\x0bb", "a\u2028b", "a\x85b", "a\x7fb"]
)
def test_a_value_must_be_a_single_line_of_text(value: str) -> None:
    assert codes({"X-A": value}) == [("X-A", "invalid_string")]


def test_values_are_limited_in_size_and_type_and_headers_in_number() -> None:
    assert codes({"X-A": "v" * 998}) == []
    assert codes({"X-A": "ü" * 500}) == [("X-A", "too_big")]
    assert codes({"X-A": 7}) == [("X-A", "invalid_type")]
    assert codes({"X-A": "1", "x-a": "2"}) == [("x-a", "duplicate")]
    assert codes({f"X-{n}": "1" for n in range(21)}) == [("", "too_big")]
