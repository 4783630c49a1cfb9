"""Decodes JSON bodies into the type that a route declares, or reports everything that is wrong with them. Pure.

The limits reject what could not be stored or passed on unchanged: PostgreSQL accepts no NUL in text, and integers
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
MAX_TOKENS = 200_000
"""Names, values and brackets in a body. A value takes some 60 bytes of memory, however short it is in JSON."""

# An unterminated string is a token too; otherwise the search would start again at each quote in it.
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]|-?\d[\d.eE+-]*|true|false|null', re.DOTALL)
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
LONG_NUMBER = re.compile(rb"\d{16}")


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a request. Unknown members are ignored."""


def decode(body_type: Any, raw: bytes) -> Any:
    """Return the body as `body_type`. Raises ApiError: 400 for invalid JSON, 422 for invalid fields."""
    check_limits(raw)
    try:
        return _decoder(body_type).decode(raw)
    except msgspec.ValidationError as first:
        raise invalid(_all_errors(body_type, raw) or [field_error("", str(first))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise malformed() from None


@cache
def _decoder(body_type: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(body_type)


def check_limits(raw: bytes) -> None:
    """Raise ApiError for a body that must not be decoded or could not be stored. It need not be JSON at all."""
    if b"\\u0000" in raw and ESCAPED_NUL.search(raw):
        raise invalid_field("", "Text must not contain NUL characters", "invalid_string")
    opened = raw.count(b"{") + raw.count(b"[")
    if opened > MAX_DEPTH or opened + raw.count(b",") > MAX_TOKENS // 2 or LONG_NUMBER.search(raw):
        _check_tokens(raw)


def _check_tokens(raw: bytes) -> None:
    depth = 0
    for number, found in enumerate(TOKENS.finditer(raw)):
        token = found[0]
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        elif _is_too_large(token):
            raise invalid_field("", f"Integers must be within ±{MAX_INTEGER}", "too_big")
        if depth > MAX_DEPTH:
            raise invalid_field("", f"Objects and arrays must not be nested more than {MAX_DEPTH} deep", "too_big")
        if number >= MAX_TOKENS:
            raise invalid_field("", f"A body must have at most {MAX_TOKENS} names, values and brackets", "too_big")


def _is_too_large(token: bytes) -> bool:
    digits = token.lstrip(b"-")
    return digits.isdigit() and (len(digits) > 16 or int(digits) > MAX_INTEGER)


def _all_errors(body_type: Any, raw: bytes) -> list[FieldError]:
    """Return an error for every missing or invalid field; the decoder itself stops at the first."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The JSON breaks off only after the first invalid field.
        raise malformed() from None
    struct = _struct_in(body_type)
    if struct is None or not isinstance(value, dict):
        return []
    return [error for field in msgspec.structs.fields(struct) if (error := _error_of(field, value))]


def _struct_in(body_type: Any) -> type[msgspec.Struct] | None:
    """Return the struct of a body, also of an optional one."""
    options = get_args(body_type) if get_origin(body_type) in (Union, UnionType) else (body_type,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _error_of(field: FieldInfo, value: dict[str, Any]) -> FieldError | None:
    name = field.encode_name
    if name not in value:
        return required(name) if field.required else None
    try:
        _decoder(field.type).decode(msgspec.json.encode(value[name]))
    except msgspec.ValidationError as error:
        return field_error(name, str(error))
    return None
