"""Turns the messages of msgspec into field errors of the API."""

import re

from libs.schemas.base import FieldError

EMAIL = r"^\s*[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+\s*$"
ONE_LINE = r"^[^\r\n]*$"
NO_NUL = r"^[^\x00]*$"
PATTERN_MESSAGES = {
    EMAIL: "Invalid email",
    ONE_LINE: "Must be a single line",
    NO_NUL: "Must not contain NUL characters",
}
"""The message of the API for a field that does not match its pattern."""

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(.+)`")


def field_error(field: str, text: str, code: str | None = None) -> FieldError:
    """Return the field error for a message of msgspec, such as "Expected `str`, got `int` - at `$.groups[0].name`".

    `field` is the path to the value that was converted, empty for the whole body. The code follows from the message
    if none is given.
    """
    found = _PATH.search(text)
    message = text[: found.start()] if found else text
    path = field + _dotted(found["path"] if found else "")
    if missing := _MISSING.search(message):
        return required(f"{path}.{missing[1]}".lstrip("."))
    return FieldError(field=path.lstrip("."), message=_plain(message), code=code or _code_of(message))


def required(field: str) -> FieldError:
    return FieldError(field=field, message="Required", code="required")


def _dotted(path: str) -> str:
    """`.groups[0].name` as `.groups.0.name`; `[...]` stands for any key of a mapping and is dropped."""
    return _INDEX.sub(r".\1", path.replace("[...]", ""))


def _plain(message: str) -> str:
    own = (words for pattern, words in PATTERN_MESSAGES.items() if repr(pattern) in message)
    return next(own, message.replace("`", ""))


def _code_of(message: str) -> str:
    if ", got " in message:
        return "invalid_type"
    if "regex" in message or "UUID" in message:
        return "invalid_string"
    if "enum" in message:
        return "invalid_enum_value"
    return "too_small" if ">" in message else "too_big" if "<" in message else "invalid"
