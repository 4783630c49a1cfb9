"""Translates the responses of `/v1/send` into SMTP replies (RFC 5321, RFC 3463). Pure.

4xx: the client keeps the message and tries again. 5xx: the message will never be accepted as it is.
"""

from typing import TypeVar

import msgspec

Shape = TypeVar("Shape")

TRY_LATER = "451 4.3.0"
BAD_MESSAGE = "554 5.6.0"
BAD_RECIPIENT = "550 5.1.3"
MAX_LENGTH = 300

CODES = {
    401: "535 5.7.8",
    403: "550 5.7.1",
    413: "552 5.3.4",
    429: "451 4.7.1",
}


class _Field(msgspec.Struct):
    field: str = ""
    message: str = ""


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""
    errors: list[_Field] = []


class _Problem(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


class _Queued(msgspec.Struct):
    email: str = ""


class _Sent(msgspec.Struct):
    emails: list[_Queued] = []


def is_final(status: int, body: bytes) -> bool:
    """Whether a repeat of the request under the same key would get the same response."""
    return status != 202 and not (status == 409 and b"IDEMPOTENCY" in body)


def reply_to(status: int, body: bytes) -> str:
    """Return the reply to the message."""
    if status == 200:
        return f"250 2.0.0 queued as {', '.join(each.email for each in _read(body, _Sent).emails)}"[:MAX_LENGTH]
    error = _read(body, _Problem).error
    first = error.errors[0] if error.errors else None
    text = f"{first.field}: {first.message}" if first else error.message or "try again later"
    return f"{_code(status, first) if is_final(status, body) else TRY_LATER} {_plain(text)}"


def _code(status: int, first: _Field | None) -> str:
    if first and first.field.split(".")[0] == "to":
        return BAD_RECIPIENT
    if status in CODES:
        return CODES[status]
    return TRY_LATER if status >= 500 else BAD_MESSAGE


def _plain(text: str) -> str:
    return "".join(c if " " <= c <= "~" else " " for c in text)[:MAX_LENGTH]


def _read(body: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError:
        return shape()
