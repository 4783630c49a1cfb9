"""What is wrong with a field: the decoder's words as the API's."""

import re
from typing import Any

from libs.schemas.base import FieldError

EMAIL = r"^\s*[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+\s*$"
ONE_LINE = r"^[^\r\n]*$"
NO_NUL = r"^[^\x00]*$"
SAYS = {EMAIL: "Invalid email", ONE_LINE: "Must be a single line", NO_NUL: "Must not contain NUL characters"}
"""Patterns of fields, and how a mismatch is told."""

MISSING = re.compile(r"Object missing required field `(.+)`")


def field_error(field: str, text: str) -> FieldError:
    """`text` is what msgspec says of the field, such as "Expected `str`, got `int` - at `$.groups[0].name`"."""
    text, _, path = text.partition(" - at `$")
    dotted = field + re.sub(r"\[(\d+)\]", r".\1", path.rstrip("`").replace("[...]", ""))
    if missing := MISSING.search(text):
        return required(f"{dotted}.{missing[1]}".lstrip("."))
    message = next((says for pattern, says in SAYS.items() if repr(pattern) in text), text.replace("`", ""))
    return FieldError(field=dotted.lstrip("."), message=message, code=_code_of(text))


def parameter_errors(extra: Any) -> list[FieldError]:
    """The framework's findings in path, query and an absent body."""
    found = extra if isinstance(extra, list) else []
    return [_parameter_error(each.get("key", ""), each.get("message", "")) for each in found]


def required(field: str) -> FieldError:
    return FieldError(field=field, message="Required", code="required")


def _parameter_error(key: str, text: str) -> FieldError:
    if key == "data":
        return FieldError(field="", message="A JSON body is required", code="required")
    first, *others = key.rstrip("_").split("_")
    return field_error(first + "".join(other.capitalize() for other in others), text)


def _code_of(text: str) -> str:
    if ", got " in text:
        return "invalid_type"
    if "regex" in text or "UUID" in text:
        return "invalid_string"
    if "enum" in text:
        return "invalid_enum_value"
    return "too_small" if ">" in text else "too_big" if "<" in text else "invalid"
