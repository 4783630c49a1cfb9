"""JSON bodies: decoded straight into the type that a route asks for, or refused with everything that is wrong.

The limits keep out what could not be stored or passed on unchanged: PostgreSQL takes no NUL in text, and integers
beyond 53 bits do not survive most JSON parsers.
"""

import re
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from libs.kernel.field_errors import field_error, required
from libs.schemas.base import FieldError
from services.gateway.http.errors import invalid, invalid_field, malformed

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1

# An unterminated string is a token too: otherwise each quote in it would be tried as the start of one.
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]|-?\d[\d.eE+-]*', re.DOTALL)
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
LONG_NUMBER = re.compile(rb"\d{16}")


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A request's body. Members that it does not name are ignored."""


def decode(kind: Any, raw: bytes) -> Any:
    """The body as `kind`. Raises Problem: 400 for what is no JSON, 422 for what is not as it must be."""
    _check_limits(raw)
    try:
        return _decoder(kind).decode(raw)
    except msgspec.ValidationError as first:
        raise invalid(_all_errors(kind, raw) or [field_error("", str(first))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def _check_limits(raw: bytes) -> None:
    if b"\\u0000" in raw and ESCAPED_NUL.search(raw):
        raise invalid_field("", "Text must not contain NUL characters", "invalid_string")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH or LONG_NUMBER.search(raw):
        _check_tokens(raw)


def _check_tokens(raw: bytes) -> None:
    depth = 0
    for token in TOKENS.findall(raw):
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        elif _is_too_large(token):
            raise invalid_field("", f"Integers must lie within ±{MAX_INTEGER}", "too_big")
        if depth > MAX_DEPTH:
            raise invalid_field("", f"Objects and arrays must not be nested deeper than {MAX_DEPTH}", "too_big")


def _is_too_large(token: bytes) -> bool:
    digits = token.lstrip(b"-")
    return digits.isdigit() and (len(digits) > 16 or int(digits) > MAX_INTEGER)


def _all_errors(kind: Any, raw: bytes) -> list[FieldError]:
    """Every field that is missing or wrong; the decoder itself stops at the first."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # it is only after the first wrong field that it is no JSON
        raise malformed() from None
    struct = _struct_in(kind)
    if struct is None or not isinstance(value, dict):
        return []
    return [error for field in msgspec.structs.fields(struct) if (error := _error_of(field, value))]


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct itself, or the one of an optional body."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _error_of(field: FieldInfo, value: dict[str, Any]) -> FieldError | None:
    name = field.encode_name
    if name not in value:
        return required(name) if field.required else None
    try:
        _decoder(field.type).decode(msgspec.json.encode(value[name]))
    except msgspec.ValidationError as wrong:
        return field_error(name, str(wrong))
    return None
